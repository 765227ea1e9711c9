"""`python -m app stores migrate`."""

import asyncio
import os
from typing import Annotated

import typer

stores_app = typer.Typer(no_args_is_help=True, help="The stores that sinks write to.")


@stores_app.callback()
def _stores() -> None:
    """Keep `migrate` a command of its own while it is the only one."""


@stores_app.command()
def migrate(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The store: mongodb, timestream, elasticsearch or parquet.")
    ],
) -> None:
    """Make or bring up to date what a store needs: collections, indexes, schemas.

    Can be run again at any time, also while workers write.
    """
    from app.settings import Settings
    from app.sink import sink_of

    done = asyncio.run(sink_of(Settings.from_env(os.environ), name).migrate())
    for step in done:
        typer.echo(f"done     {step}")
    typer.echo(f"{name} is up to date")
