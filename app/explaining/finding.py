"""What was found of one transaction: its decisions, and what the phone reported around it. Pure."""

import heapq
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from detection.geodesy import distance_m
from models.decision import Decision
from models.judgement import UsedFix
from models.location_fix import LocationFix
from streaming.clock import clock_error
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError, RecordError

NEAR_S: Final = 600.0
"""Fixes further from the transaction in time are not looked for; those that the verdict names are known."""

_MOST_FIXES: Final = 400  # nearest in time: more than a phone that reports every 3 s sends in that time
_MOST_LINES: Final = 100  # of the decisions on one transaction: the last ones count

# Tracks keep times to 1/32 s and places to 1e-7 degrees: so far a fix may lie from what was sent.
_SAME_TIME_S: Final = 0.02
_SAME_PLACE_DEG: Final = 1.5e-7

Role = Literal["decisive", "used", "refused", "other"]


@dataclass(frozen=True, slots=True)
class SeenFix:
    """A location report as it lies on its topic or in a file."""

    fix: UsedFix
    arrival_ms: int
    """Its record timestamp, milliseconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownFix:
    """A location report held against the transaction."""

    role: Role
    fix: UsedFix
    after_s: float
    """Its time less the transaction's: negative where the phone was there before."""
    distance_m: float
    arrived_after_s: float | None
    """Its record timestamp less the transaction's time; None where its record was not found."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The transaction's record was put aside: there is no verdict on it."""

    place: str
    reason_code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """All that an explanation needs. `history`: at least one decision, in the order they were written."""

    history: tuple[Decision, ...]
    seen: tuple[SeenFix, ...]

    @property
    def decision(self) -> Decision:
        """The one that stands: the last final line, else the last line of the highest revision."""
        return max(
            enumerate(self.history), key=lambda line: (line[1].stage == "final", line[1].revision, line[0])
        )[1]

    @property
    def fixes(self) -> tuple[ShownFix, ...]:
        """What the verdict stands on, what it refused, and other reports near it, in the order of time."""
        decision = self.decision
        named: list[tuple[Role, UsedFix]] = [
            *((("used" if n else "decisive"), fix) for n, fix in enumerate(decision.fixes)),
            *(("refused", fix) for fix in decision.refused),
        ]
        others = list(self.seen)
        shown = []
        for role, fix in named:
            sent = next((seen for seen in others if _is_same(seen.fix, fix)), None)
            if sent is not None:
                others.remove(sent)
            shown.append(_held_against(decision, role, fix, None if sent is None else sent.arrival_ms))
        shown += [_held_against(decision, "other", seen.fix, seen.arrival_ms) for seen in others]
        return tuple(sorted(shown, key=lambda each: each.after_s))


class DecisionLines:
    """Collects the decisions on one transaction from all that is read, in the order of reading.

    Lines that say the same are kept once, and of one device the last hundred.
    """

    def __init__(self, transaction_id: str, device_id: str | None) -> None:
        self._transaction_id = transaction_id
        self._device_id = device_id
        self._by_device: dict[str, deque[Decision]] = {}

    def take(self, decision: Decision) -> None:
        """Look at a decision; one on another transaction, or of another device, is passed over."""
        if decision.transaction_id != self._transaction_id:
            return
        if self._device_id is not None and decision.device_id != self._device_id:
            return
        lines = self._by_device.setdefault(decision.device_id, deque(maxlen=_MOST_LINES))
        if decision not in lines:
            lines.append(decision)

    def history(self) -> tuple[Decision, ...]:
        """Its decisions, none where there are none. Raises ConfigError where several devices have some."""
        if len(self._by_device) > 1:
            devices = ", ".join(sorted(self._by_device)[:5])
            raise ConfigError(
                f"transaction {self._transaction_id!r} was decided for {len(self._by_device)} devices"
                f" ({devices}): say which one with --device"
            )
        return tuple(*self._by_device.values())


class NearFixes:
    """Collects the reports of one device around a time: the nearest few hundred, each as it came first."""

    def __init__(
        self, device_id: str, moment: datetime, decoder: JsonDecoder[Any], max_clock_skew_s: float
    ) -> None:
        self._device_id = device_id
        self._moment = moment
        self._decoder = decoder
        self._max_clock_skew_s = max_clock_skew_s
        self._heap: list[tuple[float, int, SeenFix]] = []  # furthest in time first
        self._held: set[UsedFix] = set()
        self._count = 0

    def take(self, value: bytes, arrival_ms: int) -> None:
        """Look at a record; what is no report of the device, or would be a dead letter, is passed over."""
        try:
            message: LocationFix = self._decoder.decode(value)
        except RecordError:
            return
        away_s = abs((message.event_time - self._moment).total_seconds())
        if (
            message.device_id != self._device_id
            or away_s > NEAR_S
            or clock_error(message.event_time_ns, arrival_ms, self._max_clock_skew_s)
        ):
            return
        fix = _used(message)
        if fix in self._held:
            return
        self._held.add(fix)
        self._count += 1
        heapq.heappush(self._heap, (-away_s, self._count, SeenFix(fix, arrival_ms)))
        if len(self._heap) > _MOST_FIXES:
            _, _, furthest = heapq.heappop(self._heap)
            self._held.discard(furthest.fix)

    def fixes(self) -> tuple[SeenFix, ...]:
        """The reports, in the order of time."""
        return tuple(sorted((seen for _, _, seen in self._heap), key=lambda seen: seen.fix.event_time))


def _used(message: LocationFix) -> UsedFix:
    return UsedFix(
        message.event_time,
        message.latitude_deg,
        message.longitude_deg,
        message.speed_mps,
        message.horizontal_accuracy_m,
    )


def _is_same(sent: UsedFix, used: UsedFix) -> bool:
    return (
        abs((sent.event_time - used.event_time).total_seconds()) <= _SAME_TIME_S
        and abs(sent.latitude_deg - used.latitude_deg) <= _SAME_PLACE_DEG
        and abs(sent.longitude_deg - used.longitude_deg) <= _SAME_PLACE_DEG
    )


def _held_against(decision: Decision, role: Role, fix: UsedFix, arrival_ms: int | None) -> ShownFix:
    return ShownFix(
        role=role,
        fix=fix,
        after_s=(fix.event_time - decision.transaction_time).total_seconds(),
        distance_m=distance_m(
            fix.latitude_deg, fix.longitude_deg, decision.latitude_deg, decision.longitude_deg
        ),
        arrived_after_s=None
        if arrival_ms is None
        else arrival_ms / 1000 - decision.transaction_time.timestamp(),
    )
