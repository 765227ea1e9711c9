"""`python -m app produce`: send files of events, transactions and locations to Kafka."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.progress_bar import progress_bar
from app.settings import Settings
from app.topics import Topics, topics_of
from sources.event_file import write_events
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from app.history import PreparedTopics
    from app.inputs import Survey
    from app.producing import ProducedCounts
    from sources.files.forms import InputFile
    from sources.files.result import Unreadable


def produce(
    inputs: Annotated[
        list[Path],
        typer.Option(
            "--input",
            help="Event file, or transactions or locations as CSV, JSON lines, Parquet, GPX or GeoLife's plt;"
            " .gz too; or a folder of them. Several are merged by time of arrival.",
        ),
    ],
    speed: Annotated[
        float | None,
        typer.Option(help="2: twice as fast as the events arrived. Default: as fast as Kafka takes them."),
    ] = None,
    allow_expiry: Annotated[
        bool, typer.Option("--allow-expiry", help="Also send what the topics will soon delete for its age.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="events, csv, jsonl, parquet, gpx or plt. Default: by the names of the files."
        ),
    ] = None,
    map_path: Annotated[
        Path | None,
        typer.Option("--map", help="TOML file: which columns are which fields (docs/files.md)."),
    ] = None,
    device_id: Annotated[
        str | None,
        typer.Option(help="Of files without a column for it. Default for tracks: the name of the file."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Event file to write, instead of Kafka: for `replay` and `explain`."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Send the rest where some cannot be read. Default: nothing.")
    ] = False,
    show_bad: Annotated[
        int, typer.Option(min=0, help="So many of those that cannot be read are named.")
    ] = 20,
) -> None:
    """Send files to the topics, in the order of arrival, with their times of arrival.

    All files are checked first, and what cannot be read is told, line by line. Missing topics are made; where
    the records are older than a topic keeps them by default, with retention.ms=-1.
    """
    from app.inputs import survey

    check_speed(speed)
    settings = Settings.from_env(os.environ)
    topics = topics_of(settings)
    files = _files(inputs, form, map_path, device_id, topics)
    _check_output(output, files, speed, allow_expiry=allow_expiry)
    bad = _Unreadable(show_bad)
    found = survey(
        files,
        {topic.name for topic in topics.all},
        now_ms=None if output else time.time_ns() // 1_000_000,
        on_unreadable=bad.tell,
    )
    bad.end(found, skip_bad=skip_bad)
    if output is not None:
        count = write_events(output, found.events())
        typer.echo(f"wrote {count:,} records to {output}: {_by_topic(found.records_by_topic)}")
        return
    prepared, counts = asyncio.run(_send(settings, topics, found, speed, allow_expiry=allow_expiry))
    if prepared.created:
        typer.echo(_told(prepared, min(found.oldest_ms_by_topic.values())))
    rate = counts.total / max(counts.elapsed_s, 1e-3)
    by_topic = _by_topic(counts.by_topic)
    typer.echo(f"sent {counts.total:,} records in {counts.elapsed_s:.1f} s ({rate:,.0f}/s): {by_topic}")


def check_speed(speed: float | None) -> None:
    """Raise ConfigError for a speed that is none."""
    if speed is not None and not 0 < speed < float("inf"):
        raise ConfigError(f"--speed is {speed:g}; it must be above 0, such as 1 for real time")


class _Unreadable:
    """Tells what cannot be read on standard error: the first ones by their places, and how many there are."""

    def __init__(self, most_shown: int) -> None:
        self._most_shown, self._told = most_shown, 0

    def tell(self, path: Path, found: "Unreadable") -> None:
        """Hear of one."""
        if self._told < self._most_shown:
            typer.echo(f"{path}: {found.place}: {found.reason}", err=True)
        self._told += 1

    def end(self, found: "Survey", *, skip_bad: bool) -> None:
        """Raise ConfigError where there was one, unless they are to be skipped."""
        if not self._told:
            return
        if self._told > self._most_shown > 0:
            typer.echo(f"and {self._told - self._most_shown:,} more", err=True)
        told = f"{self._told:,} of {self._told + found.total:,} records cannot be sent"
        if not skip_bad:
            raise ConfigError(f"{told}, so nothing was; --skip-bad sends the others")
        typer.echo(f"{told} and are left out", err=True)


def _check_output(
    output: Path | None, files: list["InputFile"], speed: float | None, *, allow_expiry: bool
) -> None:
    """Refuse what does not go with --output. Raises ConfigError."""
    if output is None:
        return
    if speed is not None or allow_expiry:
        raise ConfigError("--output writes a file: --speed and --allow-expiry are for Kafka")
    if output.exists() and any(file.path.exists() and file.path.samefile(output) for file in files):
        raise ConfigError(f"--output {output} is also an --input: it would be emptied before it is read")


def _files(
    inputs: list[Path], form: str | None, map_path: Path | None, device_id: str | None, topics: Topics
) -> list["InputFile"]:
    """The files that `inputs` name. Raises ConfigError."""
    from app.inputs import targets_of
    from sources.files.forms import FORMS, input_files
    from sources.files.maps import read_maps

    known = next((each for each in FORMS if each == form), None)
    if form is not None and known is None:
        raise ConfigError(f"--format is {form!r}; it must be one of {', '.join(FORMS)}")
    maps = read_maps(map_path) if map_path else ()
    files, left_out = input_files(inputs, known, targets_of(topics), maps=maps, device_id=device_id)
    if maps and not any(file.own_map for file in files):
        raise ConfigError(
            f"{map_path}: none of its maps is for these files: see their `files` (docs/files.md)"
        )
    if left_out:
        names = ", ".join(str(path) for path in left_out[:3]) + (", …" if len(left_out) > 3 else "")
        typer.echo(f"left out {len(left_out):,} files whose names tell no form: {names}", err=True)
    return files


async def _send(
    settings: Settings, topics: Topics, found: "Survey", speed: float | None, *, allow_expiry: bool
) -> tuple["PreparedTopics", "ProducedCounts"]:
    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.history import PreparedTopics, prepare_topics
    from app.producing import produce_events

    quiet_client_logs()
    connection = connection_of(settings)
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
        counts = await produce_events(connection, found.events(), speed=speed, on_progress=show)
    return prepared, counts


def _by_topic(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{topic} {count:,}" for topic, count in counts.items()) or "no records"


def _told(prepared: "PreparedTopics", oldest_ms: int) -> str:
    names = ", ".join(prepared.created)
    if not prepared.keep_for_ever:
        return f"created {names}"
    day = datetime.fromtimestamp(oldest_ms / 1000, UTC).date()
    return f"created with retention.ms=-1, outputs too, since the records begin on {day}: {names}"
