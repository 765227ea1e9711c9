"""Is a process alive, and ready? What is looked at, and what was found; of a worker all of it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

_BEAT_S = 1.0

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Signs of life of a worker. Durations until now, in seconds; None: nothing is waited for."""

    partitions: int
    """Of the inputs, that it owns."""
    has_joined: bool
    """Its group, and no rebalance goes on."""
    is_restoring: bool
    """Its tables are being read from their changelogs."""
    polling_s: float | None
    """The poll of the consumer that is under way; one takes a second at most."""
    unanswered_s: float | None
    """Since the broker was asked, and has not answered."""
    unbegun_s: float | None
    """The oldest chunk that its agent has not begun."""
    unacknowledged_s: float | None
    """The oldest chunk that its agent has begun, and that is not acknowledged."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found. `state` is for people: figures and causes, nothing of any message, no secret."""

    name: str
    ok: bool
    state: str


class Health(msgspec.Struct, frozen=True):
    """All findings; `ok` where each is."""

    ok: bool
    checks: Sequence[Finding]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> "Health":
        """Add them up."""
        return cls(all(each.ok for each in findings), findings)

    def answer(self) -> tuple[int, bytes]:
        """HTTP status and JSON."""
        return 200 if self.ok else 503, _encode(self)


class EventLoopWatch:
    """Looks every second how late the event loop is. While it is blocked nobody is answered at all."""

    def __init__(
        self, on_delay: Callable[[float], None], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_delay, self._clock_s = on_delay, clock_s
        self._beat_s = clock_s()
        self._delay_s = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        self._beat_s = self._clock_s()
        while True:
            await asyncio.sleep(_BEAT_S)
            self.beat()

    def beat(self) -> None:
        """Take note of a turn that was wanted a period after the last one."""
        now_s = self._clock_s()
        self._delay_s = max(now_s - self._beat_s - _BEAT_S, 0.0)
        self._beat_s = now_s
        self._on_delay(self._delay_s)

    def finding(self, limit_s: float) -> Finding:
        """Not well in the second after a longer block: what had to wait is answered then."""
        delay_s = max(self._delay_s, self._clock_s() - self._beat_s - _BEAT_S)
        state = f"last turn {max(delay_s, 0.0):.3f} s late"
        return Finding(name="event_loop", ok=delay_s <= limit_s, state=state)


def polls(vitals: Vitals, limit_s: float) -> Finding:
    """Whether the consumer's polls come to their ends."""
    return _patience("consumer", "polls", "a poll has not ended", vitals.polling_s, limit_s)


def worker_findings(vitals: Vitals, limit_s: float, hold_s: float) -> list[Finding]:
    """Whether a worker does its work.

    Its agent may hold a chunk for `hold_s` before it must be acknowledged.
    """
    joined, restored = vitals.has_joined, not vitals.is_restoring
    owned = f"{vitals.partitions} assigned" if vitals.partitions else "others have them all"
    done, undone = "chunks are acknowledged", "a chunk is not acknowledged"
    return [
        polls(vitals, limit_s),
        Finding(name="partitions", ok=joined, state=owned if joined else "a rebalance goes on"),
        Finding(name="tables", ok=restored, state="restored" if restored else "being restored"),
        _patience("broker", "answers", "has not answered", vitals.unanswered_s, limit_s),
        _patience("agent", "takes chunks", "has not taken a chunk", vitals.unbegun_s, limit_s),
        _patience("progress", done, undone, vitals.unacknowledged_s, limit_s + hold_s),
    ]


def _patience(name: str, well: str, late: str, waited_s: float | None, limit_s: float) -> Finding:
    is_late = waited_s is not None and waited_s > limit_s
    return Finding(name=name, ok=not is_late, state=f"{late} for {waited_s:.1f} s" if is_late else well)
