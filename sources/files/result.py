"""What reading a file yields: rows on their way, events, and what could not be read."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sources.event_file import Event


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event, and where in its file it stands, such as "line 7"."""

    place: str
    event: Event


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """What was no event: where it stands and why. Never its content, which may be a card number."""

    place: str
    reason: str


class Row(msgspec.Struct, frozen=True, gc=False):
    """Cells by the names of their columns, and where in its file they stand."""

    place: str
    cells: Mapping[str, Any]

    def __repr__(self) -> str:
        """Names the place only: a card number must not reach a log or a traceback."""
        return f"Row({self.place!r})"
