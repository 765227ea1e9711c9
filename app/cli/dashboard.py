"""`python -m app dashboard`: the live page, until SIGTERM or Ctrl-C."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer


def dashboard(
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. Default: SMARTBANK_DASHBOARD_HOST, 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="0: a free one. Default: SMARTBANK_DASHBOARD_PORT, 8050."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="Lines desk:TOKEN and analyst:TOKEN. Default: SMARTBANK_DASHBOARD_TOKEN_FILE."),
    ] = None,
) -> None:
    """Serve a page that shows devices as they move, and what is flagged and why, as it happens.

    It reads topics without a consumer group and keeps nothing; docs/dashboard.md says who sees what.
    """
    from app.connection import connection_of
    from app.dashboard import serve_dashboard
    from app.settings import Settings

    given = {"HOST": host, "PORT": port, "TOKEN_FILE": token_file}
    options = {
        f"SMARTBANK_DASHBOARD_{name}": str(value) for name, value in given.items() if value is not None
    }
    settings = Settings.from_env({**os.environ, **options})
    logging.basicConfig(
        level=settings.log_level.upper(), format="[%(asctime)s] %(levelname)s %(name)s: %(message)s"
    )
    serve_dashboard(connection_of(settings), settings, lambda url: typer.echo(f"the live page: {url}"))
