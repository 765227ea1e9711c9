"""The final decisions on the records of a file, as rows to be anonymized; no broker."""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from app.decoders import input_decoders
from app.replay import replay
from app.rules import detector_of
from app.settings import Settings
from app.topics import topics_of
from models.dead_letter import DeadLetter
from privacy.anonymity.anonymizer import Anonymizer, Outcome
from privacy.anonymity.row import Row
from sources.event_file import Event

_SECRET_BYTES = 32


@contextmanager
def with_token_key(settings: Settings) -> Iterator[Settings]:
    """Settings that name a key file: theirs, or one with a new key that is gone at the end."""
    if settings.token_key_file:
        yield settings
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        path.touch(mode=0o600)
        path.write_text(f"ephemeral:{secrets.token_hex(_SECRET_BYTES)}\n")
        yield replace(settings, token_key_file=str(path))


def judged_rows(
    events: Iterable[Event], settings: Settings, on_dead_letter: Callable[[DeadLetter], None]
) -> Iterator[Row]:
    """What `replay` ends with, of each transaction. Whether a place is usual is not known here."""
    decoders = input_decoders(topics_of(settings))
    for result in replay(events, decoders, detector_of(settings), settings.max_clock_skew_s):
        if isinstance(result, DeadLetter):
            on_dead_letter(result)
        elif result.decision.stage == "final":
            yield Row.of(result.decision)


def outcomes_of(rows: Iterable[Row], anonymizer: Anonymizer) -> Iterator[Outcome]:
    """All that becomes of the rows; only their number counts, not time."""
    for row in rows:
        yield from anonymizer.take(row, now_ms=0)
    yield from anonymizer.flush()
