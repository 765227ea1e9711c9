"""`python -m app topics create|verify|describe`."""

import asyncio
import os
import sys
from typing import Annotated, Any

import typer

from app.settings import Settings
from app.topics import topics_of

topics_app = typer.Typer(no_args_is_help=True, help="The Kafka topics: create, verify, describe.")

Partitions = Annotated[
    int | None, typer.Option(min=1, help="Of every topic. Default: SMARTBANK_TOPIC_PARTITIONS.")
]
Replication = Annotated[
    int | None, typer.Option(min=1, help="Copies. Default: SMARTBANK_TOPIC_REPLICATION_FACTOR.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--config", help="Over each new topic's own settings.", metavar="NAME=VALUE"),
]


@topics_app.command()
def create(
    partitions: Partitions = None, replication_factor: Replication = None, config: Overrides = None
) -> None:
    """Create the topics that are missing; those that exist stay as they are. Then verify all of them."""
    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.topic_admin import create_topics

    quiet_client_logs()
    settings = Settings.from_env(os.environ)
    outcome = asyncio.run(
        create_topics(
            connection_of(settings),
            topics_of(settings).all,
            partitions=partitions or settings.topic_partitions,
            replication_factor=replication_factor or settings.topic_replication_factor,
            overrides=_overrides(config or []),
        )
    )
    for name in outcome.created:
        typer.echo(f"created  {name}")
    for name in outcome.existed:
        typer.echo(f"existed  {name}")
    if partitions not in (None, settings.topic_partitions):
        typer.echo(f"set SMARTBANK_TOPIC_PARTITIONS={partitions} for the workers", err=True)
    _verify(settings, partitions=None)


@topics_app.command()
def verify() -> None:
    """Say what is wrong with the topics; exit status 1 where anything is."""
    settings = Settings.from_env(os.environ)
    _verify(settings, partitions=settings.topic_partitions)


@topics_app.command()
def describe() -> None:
    """Show every topic: policy, partitions, records. One JSON object a line where output is no terminal."""
    import msgspec

    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.topic_description import described_topics

    quiet_client_logs()
    settings = Settings.from_env(os.environ)
    rows = asyncio.run(described_topics(connection_of(settings), topics_of(settings)))
    if sys.stdout.isatty():
        _print_table(rows)
        return
    for row in rows:
        typer.echo(msgspec.json.encode(row))


def _verify(settings: Settings, *, partitions: int | None) -> None:
    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.topic_admin import verify_topics

    quiet_client_logs()
    problems = asyncio.run(
        verify_topics(connection_of(settings), topics_of(settings).all, partitions=partitions)
    )
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(1)
    typer.echo("the topics are in order")


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    name = Column("topic", no_wrap=True)  # it is there to be copied
    table = Table(name, "zone", "partitions", "copies", "cleanup", "retention", "records", "doc")
    for row in rows:
        shown = {
            **row,
            "retention_ms": _retention_text(row["retention_ms"]),
            "records": None if row["records"] is None else f"{row['records']:,}",
        }
        table.add_row(*("-" if value is None else str(value) for value in shown.values()))
    Console().print(table)


def _retention_text(retention_ms: int | None) -> str | None:
    if retention_ms is None:
        return None
    return "for ever" if retention_ms < 0 else f"{retention_ms / 86_400_000:g} days"


def _overrides(pairs: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs]
    if not all(name and equals for name, equals, _ in split):
        raise typer.BadParameter("wanted NAME=VALUE, such as retention.ms=-1", param_hint="--config")
    return {name: value for name, _, value in split}
