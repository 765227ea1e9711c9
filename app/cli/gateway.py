"""`python -m app gateway`: takes what phones push over HTTP, until SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Annotated

import typer


def gateway(
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. Default: SMARTBANK_GATEWAY_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="0: a free one. Default: SMARTBANK_GATEWAY_PORT, 8080."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="One bearer token for all, or lines DEVICE_ID:TOKEN. Default: SMARTBANK_GATEWAY_TOKEN_FILE."
        ),
    ] = None,
) -> None:
    """Serve POST /location as the Sensor Logger app sends it: what is answered with 200 is in Kafka.

    SIGTERM and Ctrl-C end it when the requests that have begun are answered; SIGHUP reads the token file
    again. docs/gateway.md says how to set up the phone.
    """
    from app.cli.worker import use_uvloop
    from app.connection import connection_of
    from app.gateway import serve_gateway
    from app.settings import Settings

    given = {"HOST": host, "PORT": port, "TOKEN_FILE": token_file}
    options = {f"SMARTBANK_GATEWAY_{name}": str(value) for name, value in given.items() if value is not None}
    settings = Settings.from_env({**os.environ, **options})
    logging.basicConfig(
        level=settings.log_level.upper(), format="[%(asctime)s] %(levelname)s %(name)s: %(message)s"
    )
    use_uvloop()
    serving = serve_gateway(
        connection_of(settings), settings, lambda url: typer.echo(f"listening on {url}/location")
    )
    asyncio.run(serving)
