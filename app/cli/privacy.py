"""`python -m app privacy audit`: is what was published as anonymous as it should be?"""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.settings import Settings
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from models.anonymized_transaction import AnonymizedTransaction
    from privacy.anonymity.audit import Audit

Store = Literal["topic", "mongodb", "elasticsearch"]

privacy_app = typer.Typer(no_args_is_help=True, help="Is what leaves anonymous?")


@privacy_app.callback()
def privacy() -> None:
    """Is what leaves anonymous?"""


@privacy_app.command("audit")
def audit_command(
    input_path: Annotated[
        Path | None, typer.Option("--input", help="File of published rows, JSON lines.")
    ] = None,
    store: Annotated[Store | None, typer.Option(help="Where they were published, instead of a file.")] = None,
    people_path: Annotated[
        Path | None,
        typer.Option(
            "--people",
            help="CSV file with row_token,person, or kafka: made of the decisions. People are counted then,"
            " not only rows. Restricted.",
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Wanted. Default: the setting.")] = None,
    l: Annotated[  # noqa: E741
        int | None, typer.Option("--l", min=1, help="Wanted. Default: the setting.")
    ] = None,
    t: Annotated[
        float | None, typer.Option("--t", min=0, max=1, help="Wanted. Default: it is only printed.")
    ] = None,
) -> None:
    """Recount k, l and t of published rows, with pycanon. Exit status 1 where they are not as wanted."""
    from privacy.anonymity.audit import audit

    settings = Settings.from_env(os.environ)
    if (input_path is None) == (store is None):
        raise ConfigError("name a file with --input, or where the rows are with --store")
    try:
        rows = _stored(settings, store) if input_path is None else _rows(input_path)
        found = audit(rows, _people_of(settings, people_path))
    except ValueError as error:
        raise ConfigError(f"{input_path or store}: {error}") from None
    typer.echo(_told(found))
    problems = found.problems(k or settings.anonymity_k, l or settings.anonymity_l, t)
    for problem in problems:
        typer.echo(f"NOT ANONYMOUS: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _told(found: "Audit") -> str:
    people = (
        f"k = {found.k_people} different people"
        if found.k_people is not None
        else "people are not counted: --people says whose the rows are"
    )
    return "\n".join(
        [
            f"{found.rows:,} rows in {found.groups:,} groups, {found.repeats:,} repeats left out",
            f"smallest group: {people}, k = {found.k_rows} rows, l = {min(found.l, found.l_known)} merchants",
            f"t = {found.t:.3f}",
            f"information loss: {found.information_loss:.4f}",
        ]
    )


def _stored(settings: Settings, store: Store | None) -> "list[AnonymizedTransaction]":
    import asyncio

    from app.anonymity.on_kafka import published_rows
    from app.broker_client import quiet_client_logs
    from app.elasticsearch import elasticsearch_sink_of
    from app.mongodb import mongo_sink_of

    quiet_client_logs()
    if store == "topic":
        return published_rows(settings)
    sink = mongo_sink_of(settings) if store == "mongodb" else elasticsearch_sink_of(settings)

    async def read() -> "list[AnonymizedTransaction]":
        try:
            return [row async for row in sink.rows()]
        finally:
            await sink.close()

    return asyncio.run(read())


def _people_of(settings: Settings, path: Path | None) -> dict[str, str] | None:
    from app.anonymity.on_kafka import people_of_tokens

    if path is None:
        return None
    return people_of_tokens(settings) if path == Path("kafka") else dict(_people(path))


def _rows(path: Path) -> "Iterator[AnonymizedTransaction]":
    """The rows of a file. Raises ConfigError that names the line; the line is not quoted."""
    import msgspec

    from models.anonymized_transaction import AnonymizedTransaction

    decoder = msgspec.json.Decoder(AnonymizedTransaction)
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield decoder.decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError):
                        raise ConfigError(f"{path}: line {number} is no published row") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None


def _people(path: Path) -> Iterator[tuple[str, str]]:
    """Row token and person. Raises ConfigError that names the line."""
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            if next(reader, None) != ["row_token", "person"]:
                raise ConfigError(f"{path}: must begin with the line row_token,person")
            for cells in reader:
                if len(cells) != 2:
                    raise ConfigError(f"{path}: line {reader.line_num} is not row_token,person")
                yield cells[0], cells[1]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise ConfigError(f"{path}: is no CSV file in UTF-8") from None
