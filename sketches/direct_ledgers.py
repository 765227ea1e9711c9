"""Exact numbers beside a sketch in use: counts of single items, times, shares of a property."""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import mmh3
import msgspec

from sketches.accuracy import HOEFFDING, Finding, beyond_chance
from sketches.heavy_hitters import CountMin, FrequentItems
from sketches.items import MAX_ITEM_BYTES, MAX_ITEM_CHARS
from sketches.reservoir import Reservoir
from sketches.sketch import CONFIDENCE, from_frame, to_frame
from sketches.sliding_count import SlidingCount
from sketches.weighted_reservoir import WeightedReservoir

MOST_COUNTED: Final = 1_024
MOST_TIMES: Final = 8_192
_SEED: Final = 0x1ED6E4


class _CountState(msgspec.Struct, frozen=True, array_like=True, tag="count_ledger"):
    total: int
    halvings: int
    counts: dict[str, int]


class CountLedger:
    """Exact counts of a sampled share of items: of all, until there are more than MOST_COUNTED.

    Then the share is halved, and halved again: an item that is counted has been since it came first.
    """

    def __init__(self) -> None:
        self.total = 0
        self._halvings = 0
        self._counts: dict[str, int] = {}

    def update(self, item: str) -> None:
        """Count an item; one so long that sketches cut it only in the total."""
        self.total += 1
        if len(item) > MAX_ITEM_CHARS:
            return
        count = self._counts.get(item)
        if count is not None:
            self._counts[item] = count + 1
        elif self._is_counted(item):
            self._counts[item] = 1
            while len(self._counts) > MOST_COUNTED:
                self._halvings += 1
                self._counts = {i: count for i, count in self._counts.items() if self._is_counted(i)}

    def judge(self, name: str, sketch: FrequentItems | CountMin) -> Finding | None:
        """Each sampled item by the sketch; None before the first."""
        if not self._counts:
            return None
        finding = (
            self._frequent(name, sketch) if isinstance(sketch, FrequentItems) else self._min(name, sketch)
        )
        if sketch.total == self.total:
            return finding
        broken = f"it holds {sketch.total:,} events and should hold {self.total:,}"
        return msgspec.structs.replace(finding, broken=broken)

    def _frequent(self, name: str, sketch: FrequentItems) -> Finding:
        off = []
        for item, count in sorted(self._counts.items()):
            found = sketch.frequency(item)
            is_inside = found.lower <= count <= found.upper
            off.append((not is_inside, max(abs(count - found.lower), abs(count - found.upper)), count, found))
        is_outside, most, count, found = max(off, key=lambda each: each[:2])
        error = most / self.total
        broken = "a count lies outside of its bounds" if is_outside or error > sketch.error_bound() else ""
        return Finding(
            sketch=name,
            what=f"bounds of {len(off):,} items",
            exact=count,
            estimate=found.lower if count - found.lower >= found.upper - count else found.upper,
            error=error,
            bound=sketch.error_bound(),
            broken=broken,
        )

    def _min(self, name: str, sketch: CountMin) -> Finding:
        """The error at the promised confidence: 1 % of items may have a greater one."""
        over = sorted((sketch.estimate(item) - count, count) for item, count in self._counts.items())
        bound = sketch.error_bound()
        too_many = sum(error > bound * self.total for error, _ in over) / len(over)
        broken = ""
        if over[0][0] < 0:
            broken = "a count is too low"
        elif beyond_chance(too_many, 1 - CONFIDENCE, len(over)):
            broken = f"{too_many:.1%} of the items have too high a count"
        error, count = over[0] if over[0][0] < 0 else over[int(CONFIDENCE * (len(over) - 1))]
        return Finding(
            sketch=name,
            what=f"count of {len(over):,} items",
            exact=count,
            estimate=count + error,
            error=abs(error) / self.total,
            bound=bound,
            broken=broken,
        )

    def _is_counted(self, item: str) -> bool:
        code = mmh3.hash(item.encode("utf-8", "surrogatepass"), _SEED, signed=False)
        return not code >> (32 - self._halvings) if self._halvings else True

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_CountState(self.total, self._halvings, dict(sorted(self._counts.items()))))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _CountState)
        ledger = cls()
        ledger.total, ledger._halvings, ledger._counts = state.total, state.halvings, state.counts
        return ledger

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 64 + MOST_COUNTED * (MAX_ITEM_BYTES + 12)


class _TimesState(msgspec.Struct, frozen=True, array_like=True, tag="times_ledger"):
    since_ms: int
    latest_ms: int
    times: bytes


class TimesLedger:
    """The times of the last MOST_TIMES events: exact counts of every window that they reach over."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._latest_ms = 0
        self._since_ms = -1  # all events after this are here

    def update(self, time_ms: int) -> None:
        """Take an event's time; one before the latest counts as of the latest, as the sketch has it."""
        self._latest_ms = max(self._latest_ms, time_ms)
        self._times.append(self._latest_ms)
        if len(self._times) > 2 * MOST_TIMES:
            self._trim()

    def judge(self, name: str, sketch: SlidingCount, windows_ms: Sequence[int]) -> Finding | None:
        """The window that is worst; None before the first event."""
        if not self._times:
            return None
        findings = []
        for window_ms in windows_ms:
            after_ms = self._latest_ms - window_ms
            if after_ms >= self._since_ms or self._since_ms < 0:
                exact = len(self._times) - bisect_right(self._times, after_ms)
                estimate = sketch.count(window_ms, self._latest_ms)
                error, bound = abs(estimate - exact) / exact, sketch.error_bound()
                broken = "a count is off by more than it ever may be" if error > bound else ""
                what = f"last {window_ms / 60_000:g} min"
                findings.append(
                    Finding(
                        sketch=name,
                        what=what,
                        exact=exact,
                        estimate=estimate,
                        error=error,
                        bound=bound,
                        broken=broken,
                    )
                )
        return max(findings, key=lambda each: each.error, default=None)

    def _trim(self) -> None:
        dropped, self._times = self._times[:-MOST_TIMES], self._times[-MOST_TIMES:]
        self._since_ms = max(self._since_ms, *dropped[-1:])

    def to_bytes(self) -> bytes:
        """The whole state."""
        if len(self._times) > MOST_TIMES:
            self._trim()
        return to_frame(_TimesState(self._since_ms, self._latest_ms, array("q", self._times).tobytes()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _TimesState)
        if len(state.times) % 8:
            raise ValueError("these bytes are no times: the last one is cut off")
        ledger = cls()
        ledger._since_ms, ledger._latest_ms = state.since_ms, state.latest_ms
        ledger._times = array("q", state.times).tolist()
        return ledger

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 64 + 8 * MOST_TIMES


class _ShareState(msgspec.Struct, frozen=True, array_like=True, tag="share_ledger"):
    events: int
    weight: float
    weights: list[float]


class ShareLedger:
    """How much of the stream has each of some properties: exact, of all events, in a few numbers."""

    def __init__(self, properties: int = 0) -> None:
        self.events = 0
        self._weight = 0.0
        self._weights = [0.0] * properties

    def update(self, properties: Sequence[bool], weight: float = 1.0) -> None:
        """Take an event and which properties it has."""
        self.events += 1
        self._weight += weight
        for at, has in enumerate(properties):
            if has:
                self._weights[at] += weight

    def judge(
        self,
        name: str,
        sketch: Reservoir | WeightedReservoir,
        properties: Mapping[str, Callable[[bytes], bool]],
    ) -> Finding | None:
        """The share in the sample beside that in the stream, of the property that is worst."""
        if not self._weight:
            return None
        shares = [weight / self._weight for weight in self._weights]
        bound = sketch.error_bound()
        # The weighted one's bound, by Chebyshev, is ten standard deviations as it is.
        limit = bound * (HOEFFDING if isinstance(sketch, Reservoir) else 1)
        broken = ""
        if sketch.seen != self.events:
            broken = f"it has seen {sketch.seen:,} events and should have seen {self.events:,}"
        findings = []
        for exact, (what, has) in zip(shares, properties.items(), strict=True):
            estimate = self._share(sketch, has)
            error = max(abs(estimate - exact) - 1e-9, 0.0)  # of adding floats
            wrong = broken or ("the sample is off by more than chance makes it" if error > limit else "")
            findings.append(
                Finding(
                    sketch=name,
                    what=f"share of {what}",
                    exact=exact,
                    estimate=estimate,
                    error=error,
                    bound=bound,
                    broken=wrong,
                )
            )
        return max(findings, key=lambda each: each.error)

    def _share(self, sketch: Reservoir | WeightedReservoir, has: Callable[[bytes], bool]) -> float:
        if isinstance(sketch, WeightedReservoir):
            return sketch.estimated_weight(has) / self._weight
        return sum(map(has, sketch.sample)) / max(len(sketch.sample), 1)

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_ShareState(self.events, self._weight, self._weights))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _ShareState)
        ledger = cls()
        ledger.events, ledger._weight, ledger._weights = state.events, state.weight, state.weights
        return ledger

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 64 + 9 * len(self._weights)
