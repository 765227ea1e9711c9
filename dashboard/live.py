"""The board as threads share it: one that reads Kafka, and one for each open page."""

import secrets
from collections.abc import Iterable
from threading import Lock
from typing import Any, Final, Literal

import msgspec

from dashboard.board import Board, Bounds, Message
from dashboard.views import View

KafkaState = Literal["starting", "up", "away"]

_MINUTES: Final = 60
_EVENTS: Final = ("flagged", "confirmed", "retracted")
_encode = msgspec.json.Encoder().encode


class Live:
    """What is known now. Safe for threads: the lock is held for milliseconds, never while waiting."""

    def __init__(self, bounds: Bounds) -> None:
        self._board = Board(bounds)
        self._lock = Lock()
        self._epoch = secrets.token_hex(4)
        self.kafka: KafkaState = "starting"
        self.publisher: dict[str, Any] | None = None
        """What the publisher answers; None: it cannot be reached."""

    def take(self, heard: Iterable[tuple[Message, int]], now_ms: int) -> None:
        """Put messages on the board, each with the time when it was heard, and let go of old ones."""
        with self._lock:
            for message, heard_ms in heard:
                self._board.take(message, heard_ms)
            self._board.forget(now_ms)

    def sizes(self) -> tuple[int, int]:
        """Devices and flagged transactions on the board."""
        with self._lock:
            return self._board.devices, self._board.flagged

    def since(self, event_id: str) -> int:
        """The number of the last change that a page saw, by the id of the last event that it got; else -1."""
        epoch, _, number = event_id.partition("-")
        is_ours = epoch == self._epoch and number.isascii() and number.isdecimal() and len(number) < 20
        return int(number) if is_ours else -1

    def changes(self, view: View, since: int) -> tuple[bytes, int] | None:
        """A server-sent event (WHATWG HTML, 9.2) with what changed, and the number of the last change.

        None where nothing did. With -1 it is everything, and the page begins anew.
        """
        with self._lock:
            number = self._board.number
            if number == since:
                return None
            if number < since:
                since = -1
            data = {
                "reset": since < 0,
                **view.places(self._board, since),
                "flagged": [view.flagged(flag) for flag in self._board.flags_since(since)][::-1],
            }
        return self._event("changes", data, number), number

    def status(self, now_ms: int) -> bytes:
        """An event with the state of Kafka, and counts."""
        with self._lock:
            counts = self._board.counts
            totals = counts.totals(now_ms)
            data = {
                "now": now_ms,
                "kafka": self.kafka,
                "devices": self._board.devices,
                "locations_per_s": round(counts.per_s("locations", now_ms), 1),
                "transactions": sum(n for name, n in totals.items() if name.startswith("first_")),
                **{event: totals[event] for event in _EVENTS},
                "flagged_by_minute": counts.by_minute("flagged", now_ms, _MINUTES),
                "publisher": self.publisher,
            }
        return b"event: status\ndata: " + _encode(data) + b"\n\n"

    def evidence(self, view: View, name: str) -> dict[str, Any] | None:
        """See View.evidence."""
        with self._lock:
            return view.evidence(self._board, name)

    def track(self, view: View, device_id: str) -> dict[str, Any] | None:
        """See View.track."""
        with self._lock:
            return view.track(self._board, device_id)

    def _event(self, name: str, data: dict[str, Any], number: int) -> bytes:
        return f"id: {self._epoch}-{number}\nevent: {name}\ndata: ".encode() + _encode(data) + b"\n\n"
