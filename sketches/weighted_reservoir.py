"""A sample of a stream in which heavy events are likelier: transactions by their amounts."""

from collections.abc import Callable, Sequence
from heapq import heappush, heapreplace
from math import expm1, log1p, sqrt
from typing import Final, Self

import msgspec

from sketches.chance import Chance
from sketches.sketch import CONFIDENCE, from_frame, to_frame

MIN_WEIGHT: Final = 1e-100
MAX_WEIGHT: Final = 1e100

_HEAD_BYTES: Final = 96
_ITEM_HEAD_BYTES: Final = 24  # key, weight, length

_Kept = tuple[
    float, float, bytes
]  # the key with its sign changed: a heap has its smallest first; weight; item


class _State(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="weighted_reservoir"
):
    size: int
    item_bytes: int
    seen: int
    to_skip: float
    chance: int
    kept: list[_Kept]


class WeightedReservoir:
    """`size` events, drawn one after the other without replacement, each with a chance as its weight.

    A-ExpJ (Efraimidis, Spirakis: Weighted random sampling with a reservoir, Inf. Proc. Letters 97, 2006):
    an event's key is an exponential random number with its weight as rate; the smallest keys are kept. How
    much weight goes by before the next is kept follows from the largest key kept, so that an event costs a
    subtraction. The paper's keys are exp(-ours), where small weights would become 0.

    Keys are kept, so that merging takes the smallest of both: as if one reservoir had seen all.
    Items are bytes, `item_bytes` at most. Reservoirs that are to be merged need different seeds.
    """

    __slots__ = ("_chance", "_item_bytes", "_kept", "_seen", "_size", "_to_skip")

    def __init__(self, size: int, *, item_bytes: int, seed: int) -> None:
        if size < 3 or item_bytes < 1:
            raise ValueError(
                f"a weighted reservoir has room for three items, not {size} of {item_bytes} bytes"
            )
        self._size = size
        self._item_bytes = item_bytes
        self._kept: list[_Kept] = []  # a heap, the largest key first
        self._seen = 0
        self._to_skip = 0.0
        self._chance = Chance(seed)

    @property
    def sample(self) -> Sequence[tuple[bytes, float]]:
        """The events that are kept and their weights, in the order in which they would be drawn."""
        return tuple((item, weight) for _, weight, item in sorted(self._kept, reverse=True))

    @property
    def seen(self) -> int:
        """How many events with a weight above 0 there were."""
        return self._seen

    def skips(self, weight: float) -> bool:
        """Take an event if it is not to be kept, and say so: it need not be made into bytes then."""
        if weight == 0:
            return True
        if len(self._kept) == self._size and MIN_WEIGHT <= weight <= MAX_WEIGHT and self._to_skip > weight:
            self._seen += 1
            self._to_skip -= weight
            return True
        return False

    def update(self, item: bytes, weight: float) -> bool:
        """Take an event; return whether it is kept, for now. One of weight 0 never is.

        Raises ValueError where it is too long or its weight is below 0, not a number or beyond 1e±100.
        """
        if not (MIN_WEIGHT <= weight <= MAX_WEIGHT or weight == 0):
            raise ValueError("a weight must be 0, or from 1e-100 to 1e100")
        if len(item) > self._item_bytes:
            raise ValueError(f"an item of {len(item)} bytes; this reservoir takes {self._item_bytes} at most")
        if weight == 0:
            return False
        self._seen += 1
        if len(self._kept) < self._size:
            heappush(self._kept, (-self._chance.exponential() / weight, float(weight), item))
            if len(self._kept) == self._size:
                self._draw_skip()
            return True
        self._to_skip -= weight
        if self._to_skip > 0:
            return False
        # An exponential number with this rate, given that it is below the largest key.
        below = -expm1(-weight * self._largest_key)
        key = -log1p(-self._chance.uniform() * below) / weight
        heapreplace(self._kept, (-key, float(weight), item))
        self._draw_skip()
        return True

    def estimated_weight(self, is_counted: Callable[[bytes], bool]) -> float:
        """How much weight the events with a property had, of all that there were; unbiased.

        Rank conditioning (Cohen, Kaplan: Summarizing data using bottom-k sketches, PODC 2007): each event
        but the one with the largest key stands for its weight over its chance to be kept.
        """
        if self._seen <= self._size:
            return sum(weight for _, weight, item in self._kept if is_counted(item))
        largest = self._largest_key
        return sum(
            weight / -expm1(-weight * largest) for _, weight, item in self._kept[1:] if is_counted(item)
        )

    def merge(self, other: Self) -> None:
        """Become the sample of both streams: the smallest keys of both.

        An exponential wait has no memory, so that what is to be skipped may be drawn anew.
        """
        if (self._size, self._item_bytes) != (other._size, other._item_bytes):
            raise ValueError("reservoirs of different sizes cannot be merged")
        self._chance.absorb(other._chance)
        self._seen += other._seen
        smallest = sorted(self._kept + other._kept, reverse=True)[: self._size]
        self._kept = smallest[::-1]  # sorted: a heap
        if len(self._kept) == self._size:
            self._draw_skip()

    def error_bound(self) -> float:
        """The most by which `estimated_weight` is wrong, as a share of all weight, 99 times of 100.

        By Chebyshev's inequality from Cohen and Kaplan's bound on the coefficient of variation,
        1 / sqrt(size - 2). 0 while all events are kept.
        """
        return 1 / sqrt((1 - CONFIDENCE) * (self._size - 2)) if self._seen > self._size else 0.0

    def size_bound_bytes(self) -> int:
        """96 bytes, and each item's length and 24."""
        return _HEAD_BYTES + self._size * (self._item_bytes + _ITEM_HEAD_BYTES)

    def to_bytes(self) -> bytes:
        """The whole state, that of chance too."""
        return to_frame(
            _State(self._size, self._item_bytes, self._seen, self._to_skip, self._chance.state, self._kept)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        reservoir = cls(state.size, item_bytes=state.item_bytes, seed=state.chance)
        if not (
            len(state.kept) == min(state.size, state.seen)
            and all(
                key < 0 and MIN_WEIGHT <= weight <= MAX_WEIGHT and len(item) <= state.item_bytes
                for key, weight, item in state.kept
            )
            and all(state.kept[place // 2] <= kept for place, kept in enumerate(state.kept[1:]))
            and state.to_skip >= 0
        ):
            raise ValueError("these bytes are no weighted reservoir: its fields contradict each other")
        reservoir._kept = state.kept
        reservoir._seen = state.seen
        reservoir._to_skip = state.to_skip
        return reservoir

    @property
    def _largest_key(self) -> float:
        return -self._kept[0][0]

    def _draw_skip(self) -> None:
        self._to_skip = self._chance.exponential() / self._largest_key
