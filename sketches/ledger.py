"""The accuracy ledger: exact counts of a share of the stream, in bounded memory, judge a sketch.

A ledger is a page of the notebook as the sketch is, with its own ends: after a crash it is as exact. It sees
every fact that its sketch sees, so that a sketch which knows how much it holds must hold as much.

Direct where a sketch answers for single items (frequent items, count-min), for a share (samples) or for a
span of time (sliding count): there the sketch in use is compared (direct_ledgers.py). Distinct counts,
quantiles and second moments say nothing of a part of the stream: there a twin, of the same kind and size,
sees the sampled devices only, and is compared with exact numbers of them. That is what is here.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, Self

import mmh3
import msgspec

from sketches.accuracy import HOEFFDING, NORMAL, Finding
from sketches.book import MOMENT_DEPTH, MOMENT_WIDTH
from sketches.distinct import Distinct
from sketches.moments import SecondMoment
from sketches.quantiles import Quantiles
from sketches.sketch import from_frame, to_frame

MOST_ITEMS: Final = 6_000
"""A twin and its exact counts begin anew beyond so many: a HyperLogLog is exact up to half of them."""

_SEED: Final = 0x1ED6E4
_SHARES: Final = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def is_sampled(device: bytes, share: float) -> bool:
    """Whether a device's facts are seen by the twins: by its hash, the same in every process."""
    return bool(mmh3.hash(device, _SEED, signed=False) < share * 2**32)


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """What was exact, what the twin said, how far off that is, and how far it may be."""

    exact: float
    estimate: float
    error: float
    bound: float

    @property
    def ratio(self) -> float:
        """Observed error over promised one."""
        return self.error / self.bound if self.bound else float(self.error > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of sketch that has twins."""

    what: str
    make: Callable[[int], Any]
    read: Callable[[bytes], Any]
    see: Callable[[Any, Mapping[float, int]], Seen]
    slack: float
    """Times the bound that only a fault exceeds."""
    held: Callable[[Any], int] | None
    """How many events a sketch says that it holds; None where it cannot say."""


class _TwinState(msgspec.Struct, frozen=True, array_like=True, tag="twin_ledger"):
    kind: str
    seed: int
    total: int
    exact: dict[int | float, int]
    twin: bytes
    last: Seen | None


class TwinLedger:
    """Exact counts of a sampled share beside a twin of the sketch, in rounds of MOST_ITEMS items."""

    def __init__(self, kind: str, seed: int = 0) -> None:
        self._kind = kind
        self._seed = seed
        self._exact: dict[int | float, int] = {}
        self._twin = KINDS[kind].make(seed)
        self._last: Seen | None = None
        self.total = 0
        """Events that the sketch should hold, sampled or not, where it says how many it holds."""

    @property
    def needs_total(self) -> bool:
        """Whether the sketch says how much it holds."""
        return KINDS[self._kind].held is not None

    def update(self, item: Any) -> None:
        """Take a sampled event: what the sketch takes."""
        if len(self._exact) >= MOST_ITEMS:
            self._last = self._see()
            self._exact, self._twin = {}, KINDS[self._kind].make(self._seed)
        key = float(item) if isinstance(item, int | float) else mmh3.hash64(item, _SEED, signed=False)[0]
        self._exact[key] = self._exact.get(key, 0) + 1
        self._twin.update(item)

    def judge(self, name: str, sketch: Any) -> Finding | None:
        """The worse of the last round and this one; None before the first event."""
        kind, now = KINDS[self._kind], self._see()
        if now is None:
            return None
        seen = max(filter(None, (now, self._last)), key=lambda each: each.ratio)
        broken = ""
        if kind.held and kind.held(sketch) != self.total:
            broken = f"it holds {kind.held(sketch):,} events and should hold {self.total:,}"
        elif seen.error > kind.slack * seen.bound:
            broken = "its twin is off by more than chance makes it"
        elif isinstance(sketch, Distinct) and sketch.estimate() < now.exact * (1 - NORMAL * now.bound):
            broken = "it has fewer than a part of the stream has"
        return Finding(sketch=name, what=kind.what, **msgspec.structs.asdict(seen), broken=broken)

    def _see(self) -> Seen | None:
        return KINDS[self._kind].see(self._twin, self._exact) if self._exact else None

    def to_bytes(self) -> bytes:
        """The whole state."""
        exact = dict(sorted(self._exact.items()))
        return to_frame(
            _TwinState(self._kind, self._seed, self.total, exact, self._twin.to_bytes(), self._last)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _TwinState)
        if state.kind not in KINDS:
            raise ValueError("these bytes are no twin ledger: there is no such kind")
        ledger = cls(state.kind, state.seed)
        ledger._exact, ledger._last, ledger.total = state.exact, state.last, state.total
        ledger._twin = KINDS[state.kind].read(state.twin)
        return ledger

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 128 + MOST_ITEMS * 14 + int(self._twin.size_bound_bytes())


def _see_distinct(twin: Distinct, exact: Mapping[float, int]) -> Seen:
    estimate = twin.estimate()
    return Seen(float(len(exact)), estimate, abs(estimate - len(exact)) / len(exact), twin.error_bound())


def _see_moment(twin: SecondMoment, exact: Mapping[float, int]) -> Seen:
    f2, estimate = sum(count * count for count in exact.values()), twin.f2()
    return Seen(float(f2), estimate, abs(estimate - f2) / f2, twin.error_bound())


def _see_quantiles(twin: Quantiles, exact: Mapping[float, int]) -> Seen:
    values = sorted(exact)
    ranks = list(accumulate(exact[value] for value in values))
    found = []
    for share, quantile in zip(_SHARES, twin.quantiles(list(_SHARES)), strict=True):
        at = -1.0 if quantile is None else quantile
        below, upto = (bisect(values, at) for bisect in (bisect_left, bisect_right))
        low, high = ((ranks[end - 1] if end else 0) / ranks[-1] for end in (below, upto))
        nearest = min(max(share, low), high)
        # A quantile of n values is a step of 1/n wide.
        error = max(abs(nearest - share) - 1 / ranks[-1], 0.0)
        found.append(Seen(share, nearest, error, twin.error_bound()))
    return max(found, key=lambda seen: seen.error)


KINDS: Final = {
    "distinct": Kind(
        what="different items",
        make=lambda _seed: Distinct(),
        read=Distinct.from_bytes,
        see=_see_distinct,
        slack=NORMAL,
        held=None,
    ),
    "quantiles": Kind(
        what="rank of quantiles",
        make=Quantiles,
        read=Quantiles.from_bytes,
        see=_see_quantiles,
        slack=HOEFFDING,
        held=lambda sketch: int(sketch.count),
    ),
    # Chebyshev's inequality at 99 % is so wide that twice of it is six standard deviations of a row.
    "moment": Kind(
        what="F2",
        make=lambda _seed: SecondMoment(width=MOMENT_WIDTH, depth=MOMENT_DEPTH),
        read=SecondMoment.from_bytes,
        see=_see_moment,
        slack=NORMAL,
        held=lambda sketch: int(sketch.total),
    ),
}
