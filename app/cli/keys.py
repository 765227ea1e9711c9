"""`python -m app keys rotate|list`: the keys of the tokens. Secrets are never printed."""

import os
import time
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.key_lines import time_ms_of, time_text
from app.key_rotation import rotate as rotate_keys
from app.settings import Settings
from app.token_keys import LOOK_PERIOD_S, read_token_keys, token_key_path, token_keys_of
from streaming.errors import ConfigError

keys_app = typer.Typer(no_args_is_help=True, help="The keys of the tokens (docs/keys.md).")

_WIDTH = 120


@keys_app.command()
def rotate(
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"],
            help="When the period begins, by the time of the transactions; UTC. Default: next midnight.",
        ),
    ] = None,
    key_id: Annotated[
        str | None, typer.Option("--id", help="Stands in every token. Default: k1, k2, …")
    ] = None,
) -> None:
    """Add a key for the transactions from a moment on; those before it keep their tokens.

    Workers look at the file every ten seconds, so all of them change with the same transaction. Where there
    is no file yet, it is made.
    """
    settings = Settings.from_env(os.environ)
    if settings.token_keys:
        raise ConfigError("SMARTBANK_TOKEN_KEYS holds the keys; only those of a file can be rotated")
    path = token_key_path(settings)
    key = rotate_keys(
        path,
        key_id=key_id,
        since_ms=None if at is None else time_ms_of(at),
        now_ms=round(time.time() * 1000),
        lead_ms=round((settings.max_clock_skew_s + 2 * LOOK_PERIOD_S) * 1000),
    )
    begins = "for all times" if key.since_ms is None else f"from {time_text(key.since_ms)}"
    typer.echo(f"{key.key_id} {begins}, fingerprint {key.fingerprint}, in {path}")


@keys_app.command("list")
def list_keys() -> None:
    """Show every key and its period: two machines with equal fingerprints hold equal secrets."""
    settings = Settings.from_env(os.environ)
    # A development key is not made by looking for it.
    keys = (
        token_keys_of(settings).all if settings.token_keys else read_token_keys(token_key_path(settings)).all
    )
    now_ms = time.time() * 1000
    table = Table("key", "from", "until", "made", "fingerprint", "")
    ends_ms = [*(key.since_ms for key in keys[1:]), None]
    for key, end_ms in zip(keys, ends_ms, strict=True):
        is_planned = key.since_ms is not None and key.since_ms > now_ms
        is_past = end_ms is not None and end_ms <= now_ms
        state = "planned" if is_planned else "past" if is_past else "current"
        times = (_text(time_ms) for time_ms in (key.since_ms, end_ms, key.made_ms))
        table.add_row(escape(key.key_id), *times, key.fingerprint, state)
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)


def _text(time_ms: int | None) -> str:
    return "" if time_ms is None else time_text(time_ms)
