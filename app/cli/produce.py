"""`python -m app produce`: send an event file to Kafka."""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.progress_bar import progress_bar
from app.settings import Settings
from app.topics import topics_of
from sources.event_file import read_events
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from app.history import PreparedTopics, Survey
    from app.producing import ProducedCounts


def produce(
    input_path: Annotated[
        Path,
        typer.Option("--input", help="Event file; compressed where its name ends in .gz."),
    ],
    speed: Annotated[
        float | None,
        typer.Option(help="2: twice as fast as the events arrived. Default: as fast as Kafka takes them."),
    ] = None,
    allow_expiry: Annotated[
        bool, typer.Option("--allow-expiry", help="Also send what the topics will soon delete for its age.")
    ] = False,
) -> None:
    """Send an event file to the topics that it names, in its order, with its times of arrival.

    The whole file is checked first. Missing topics are made; where the records are older than a topic keeps
    them by default, with retention.ms=-1.
    """
    from app.broker_client import quiet_client_logs

    quiet_client_logs()
    check_speed(speed)
    found, prepared, counts = asyncio.run(
        _produce(Settings.from_env(os.environ), input_path, speed, allow_expiry=allow_expiry)
    )
    if prepared.created:
        typer.echo(_told(prepared, min(found.oldest_ms_by_topic.values())))
    by_topic = ", ".join(f"{topic} {count:,}" for topic, count in counts.by_topic.items()) or "no records"
    rate = counts.total / max(counts.elapsed_s, 1e-3)
    typer.echo(f"sent {counts.total:,} records in {counts.elapsed_s:.1f} s ({rate:,.0f}/s): {by_topic}")


def check_speed(speed: float | None) -> None:
    """Raise ConfigError for a speed that is none."""
    if speed is not None and not 0 < speed < float("inf"):
        raise ConfigError(f"--speed is {speed:g}; it must be above 0, such as 1 for real time")


async def _produce(
    settings: Settings, path: Path, speed: float | None, *, allow_expiry: bool
) -> tuple["Survey", "PreparedTopics", "ProducedCounts"]:
    from app.connection import connection_of
    from app.history import PreparedTopics, prepare_topics, survey
    from app.producing import produce_events

    connection, topics = connection_of(settings), topics_of(settings)
    found = survey(path, {topic.name for topic in topics.all}, now_ms=time.time_ns() // 1_000_000)
    prepared = PreparedTopics()
    if found.total:
        prepared = await prepare_topics(
            connection,
            topics,
            found.oldest_ms_by_topic,
            partitions=settings.topic_partitions,
            replication_factor=settings.topic_replication_factor,
            allow_expiry=allow_expiry,
        )
    with progress_bar(found.total, "records") as show:
        counts = await produce_events(connection, read_events(path), speed=speed, on_progress=show)
    return found, prepared, counts


def _told(prepared: "PreparedTopics", oldest_ms: int) -> str:
    names = ", ".join(prepared.created)
    if not prepared.keep_for_ever:
        return f"created {names}"
    day = datetime.fromtimestamp(oldest_ms / 1000, UTC).date()
    return f"created with retention.ms=-1, outputs too, since the records begin on {day}: {names}"
