"""`python -m app reveal`: what was encrypted, and which decision a published row is about."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.settings import Settings
from streaming.errors import ConfigError, RecordError

if TYPE_CHECKING:
    from app.revealing import RowSearch

_STDIN = Path("-")


def reveal(
    input_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Lines of JSON or Fernet tokens; - or nothing: standard input. With --row-token: decisions"
            " as JSON lines; nothing: the topic transaction_decisions.",
        ),
    ] = None,
    keys_path: Annotated[
        Path | None,
        typer.Option("--keys", help="File of the keys of encrypted fields. Default: the bridge's setting."),
    ] = None,
    row_token: Annotated[
        str | None, typer.Option(help="Show the decision that a published row is about, instead.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why; stands in the audit log.")] = None,
) -> None:
    """Decrypt fields that a device encrypted, or resolve a row token: for people of the restricted zone.

    Whatever is shown has a line in SMARTBANK_AUDIT_FILE before: who, when, which key, which fields. Where
    that cannot be written, nothing is shown. Exit status 1: a line could not be opened, or there is no such
    row.
    """
    settings = Settings.from_env(os.environ)
    if row_token is not None:
        if keys_path is not None:
            raise ConfigError("--keys opens encrypted fields; row tokens follow SMARTBANK_TOKEN_KEY_FILE")
        _resolve(settings, row_token, input_path, reason)
        return
    _open(
        replace(settings, iot_field_keys_file=str(keys_path)) if keys_path else settings, input_path, reason
    )


def _open(settings: Settings, input_path: Path | None, reason: str | None) -> None:
    from app.audit import AuditLog
    from app.iot import field_cipher_of
    from app.revealing import Revealer

    is_stdin = input_path in (None, _STDIN)
    revealer = Revealer(
        cipher=field_cipher_of(settings),
        audit=AuditLog.of(settings),
        source="standard input" if is_stdin else str(input_path),
        reason=reason,
    )
    failed = False
    with _lines(None if is_stdin else input_path) as lines:
        for line in revealer.lines(lines):
            if isinstance(line, RecordError):
                failed = True
                typer.echo(f"error: {line.reason}", err=True)
            else:
                typer.echo(line)
    if failed:
        raise typer.Exit(1)


def _resolve(settings: Settings, row_token: str, input_path: Path | None, reason: str | None) -> None:
    from app.audit import AuditLog
    from app.revealing import RowSearch
    from app.token_keys import token_keys_of

    search = RowSearch(token_keys_of(settings), row_token)
    if input_path is None:
        asyncio.run(_scan_kafka(settings, search))
    else:
        with _lines(None if input_path == _STDIN else input_path) as lines:
            for line in lines:
                search.take(line.strip())
    decisions = search.decisions()
    if not decisions:
        raise ConfigError(f"no decision has the row token {row_token}: it may be older than the topic keeps")
    AuditLog.of(settings).record(
        "resolve", key_id=search.key_id, fields=["decision"], row_token=row_token, reason=reason
    )
    for decision in decisions:
        typer.echo(decision)


async def _scan_kafka(settings: Settings, search: "RowSearch") -> None:
    from app.broker_client import quiet_client_logs
    from app.connection import connection_of
    from app.tailing import read_topic
    from app.topics import topics_of

    quiet_client_logs()
    topic = topics_of(settings).transaction_decisions.name
    records = read_topic(connection_of(settings), topic, from_beginning=True, until_end=True)
    async with aclosing(records):
        async for record in records:
            search.take(record.value)


@contextmanager
def _lines(path: Path | None) -> "Iterator[Iterator[bytes]]":
    """The lines of a file, or of standard input."""
    if path is None:
        yield iter(sys.stdin.buffer)
        return
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        yield iter(file)
