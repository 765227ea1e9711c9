"""`python -m app dead-letters list|show|retry|discard`: rows that a store refused."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streaming.errors import ConfigError

if TYPE_CHECKING:
    from app.connection import Connection
    from app.dead_letters import Refused
    from app.topics import Topics

dead_letters_app = typer.Typer(no_args_is_help=True)

Store = Annotated[str, typer.Option(metavar="NAME", help="Only what this store refused.")]
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID...", help="PARTITION:OFFSET, as `list` shows it.")
]
Every = Annotated[bool, typer.Option("--every", help="Every one with which nothing was done yet.")]


@dead_letters_app.command("list")
def list_(
    store: Store = "",
    include_done: Annotated[
        bool, typer.Option("--all", help="Also those that were retried or discarded.")
    ] = False,
) -> None:
    """List rows of anonymized_transactions that a store refused, oldest first: one JSON object a line."""
    _, _, rows = _read(store)
    for row in rows:
        if include_done or not row.outcome:
            typer.echo(msgspec.json.encode({k: v for k, v in row.view.items() if k != "value"}))


@dead_letters_app.command()
def show(id_: Annotated[str, typer.Argument(metavar="ID", help="PARTITION:OFFSET.")]) -> None:
    """Show one, with the row as it came."""
    from app.dead_letters import chosen

    _, _, rows = _read("")
    (row,) = chosen(rows, [id_])
    typer.echo(msgspec.json.format(msgspec.json.encode(row.view)))


@dead_letters_app.command()
def retry(ids: Ids = None, every: Every = False, store: Store = "") -> None:
    """Send rows to anonymized_transactions again, for all stores; those that have them write them over."""
    from app.dead_letters import retry

    connection, topics, rows = _read(store)
    wanted = _wanted(rows, ids, every)
    asyncio.run(retry(connection, topics, wanted))
    typer.echo(f"retried {len(wanted)}")


@dead_letters_app.command()
def discard(
    ids: Ids = None,
    every: Every = False,
    store: Store = "",
    reason: Annotated[str, typer.Option(help="Why; kept with the note.")] = "given up by an operator",
) -> None:
    """Give rows up: they are not listed any more. Their bytes stay until the topic's retention is over."""
    from app.dead_letters import discard

    connection, topics, rows = _read(store)
    wanted = _wanted(rows, ids, every)
    asyncio.run(discard(connection, topics, wanted, reason))
    typer.echo(f"discarded {len(wanted)}")


def _read(store: str) -> "tuple[Connection, Topics, list[Refused]]":
    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.dead_letters import refused_rows
    from app.settings import Settings
    from app.topics import topics_of

    quiet_client_logs()
    settings = Settings.from_env(os.environ)
    connection, topics = connection_of(settings), topics_of(settings)
    rows = asyncio.run(refused_rows(connection, topics))
    return connection, topics, [row for row in rows if store in ("", row.letter.store)]


def _wanted(rows: "list[Refused]", ids: list[str] | None, every: bool) -> "list[Refused]":
    from app.dead_letters import chosen

    if bool(ids) == every:
        raise ConfigError("name dead letters by their ids, or give --every")
    return [row for row in rows if not row.outcome] if every else chosen(rows, ids or [])
