"""What comes most often: frequent items with bounds, and count-min for the count of any one item."""

import math
from heapq import nsmallest
from typing import NamedTuple, Self

import msgspec
from datasketches import count_min_sketch

from sketches.items import MAX_ITEM_BYTES, short
from sketches.sketch import CONFIDENCE, from_frame, to_frame


class Frequency(NamedTuple):
    """How often an item came: at least `lower`, at most `upper` times, and that is certain."""

    item: str
    lower: int
    upper: int


class _FrequentState(msgspec.Struct, frozen=True, array_like=True, tag="frequent_items"):
    capacity: int
    total: int
    missed: int
    counts: dict[str, int]


class FrequentItems:
    """The items that come most often.

    Misra and Gries (1982) for weights, as Anderson et al. have it (A High-Performance Algorithm for
    Identifying Frequent Items in Data Streams, IMC 2017): a counter an item; when there are more than
    `capacity`, the median counter is subtracted from all, and those that reach 0 go. This is what Apache's
    frequent items do. Ours takes the true median where Apache takes that of a sample that depends on the
    order in memory, so a sketch that is read from a snapshot becomes the same as one that went on; and dict
    is as fast as the call into C++.
    """

    def __init__(self, capacity: int = 2_048) -> None:
        if capacity < 2:
            raise ValueError("a capacity of 2 items or more is needed")
        self.capacity = capacity
        self.total = 0
        """The sum of all weights."""
        self._missed = 0
        self._counts: dict[str, int] = {}

    def update(self, item: str, weight: int = 1) -> None:
        """Count an item. Raises ValueError when its weight is below 1."""
        if weight < 1:
            raise ValueError("a weight must be 1 or more")
        item = short(item)
        self.total += weight
        self._counts[item] = self._counts.get(item, 0) + weight
        if len(self._counts) > self.capacity:
            self._purge()

    def merge(self, other: Self) -> None:
        """Become a sketch of both streams, within the bound. Raises ValueError when capacities differ."""
        if other.capacity != self.capacity:
            raise ValueError(
                f"capacities {self.capacity} and {other.capacity} cannot be merged: make both alike"
            )
        for item, count in list(other._counts.items()):
            self._counts[item] = self._counts.get(item, 0) + count
        self.total += other.total
        self._missed += other._missed
        while len(self._counts) > self.capacity:
            self._purge()

    def top(self, k: int) -> list[Frequency]:
        """The `k` items with the most counted, most first; of equal ones in the order of their text."""
        most = nsmallest(k, self._counts.items(), key=lambda counted: (-counted[1], counted[0]))
        return [Frequency(item, count, count + self._missed) for item, count in most]

    def frequency(self, item: str) -> Frequency:
        """How often an item came, kept or not."""
        count = self._counts.get(short(item), 0)
        return Frequency(item, count, min(count + self._missed, self.total))

    def to_bytes(self) -> bytes:
        """The whole state."""
        counts = dict(sorted(self._counts.items()))
        return to_frame(_FrequentState(self.capacity, self.total, self._missed, counts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _FrequentState)
        sketch = cls(state.capacity)
        sketch.total, sketch._missed, sketch._counts = state.total, state.missed, state.counts
        return sketch

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 64 + self.capacity * (MAX_ITEM_BYTES + 3 + 9)

    def error_bound(self) -> float:
        """The most that `upper - lower` is, as a share of `total`: 2 / (capacity + 2), certain.

        A purge takes the median from at least half of the capacity + 1 counters or more, so that what all
        purges took is at least (capacity + 2) / 2 times what one item lost, and no more than the total;
        merging adds both sides up. The same argument as Lemma 1 of Anderson et al.
        """
        return 2 / (self.capacity + 2)

    def _purge(self) -> None:
        counts = sorted(self._counts.values())
        median = counts[(len(counts) - 1) // 2]
        self._missed += median
        self._counts = {item: count - median for item, count in self._counts.items() if count > median}


class _CountMinState(msgspec.Struct, frozen=True, array_like=True, tag="count_min"):
    counters: bytes


class CountMin:
    """How often any one item came, at most: never too few, and hardly ever too many by more than the bound.

    Count-min (Cormode and Muthukrishnan, J. Algorithms 2005) as Apache DataSketches has it, on MurmurHash3
    with fixed seeds. State is a function of the multiset of items; merging is exact.
    """

    def __init__(self, relative_error: float = 0.002) -> None:
        if not 1e-6 <= relative_error < 1:
            raise ValueError("relative_error must be at least a millionth, and below 1")
        rows = count_min_sketch.suggest_num_hashes(CONFIDENCE)
        self._sketch = count_min_sketch(rows, count_min_sketch.suggest_num_buckets(relative_error))

    def update(self, item: str, weight: int = 1) -> None:
        """Count an item. Raises ValueError when its weight is below 1."""
        if weight < 1:
            raise ValueError("a weight must be 1 or more")
        # Apache's Python takes "7" for a number when the weight is an integer, and passes over an empty text.
        self._sketch.update("=" + item, float(weight))

    def merge(self, other: Self) -> None:
        """Become the sketch of both streams. Raises ValueError when the other is of another size."""
        if (self._sketch.num_buckets, self._sketch.num_hashes) != (
            other._sketch.num_buckets,
            other._sketch.num_hashes,
        ):
            raise ValueError("count-min of different sizes cannot be merged: make both with the same error")
        self._sketch.merge(_read(other._sketch.serialize()))  # Apache merges no sketch with itself

    @property
    def total(self) -> int:
        """The sum of all weights."""
        return int(self._sketch.total_weight)

    def estimate(self, item: str) -> int:
        """How often an item came: never less than it did; `error_bound` says how much more."""
        return int(self._sketch.get_estimate("=" + item))

    def to_bytes(self) -> bytes:
        """The whole state: all counters, of 8 bytes."""
        return to_frame(_CountMinState(self._sketch.serialize()))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        sketch = cls()
        sketch._sketch = _read(from_frame(data, _CountMinState).counters)
        return sketch

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return 64 + 8 * int(self._sketch.num_hashes * self._sketch.num_buckets)

    def error_bound(self) -> float:
        """The most that an estimate is too high, as a share of `total`, with 99 % confidence: e / buckets."""
        return math.e / float(self._sketch.num_buckets)


def _read(counters: bytes) -> count_min_sketch:
    """Apache's form of a count-min sketch. Raises ValueError where it is none."""
    try:
        sketch = count_min_sketch.deserialize(counters)
    except (ValueError, IndexError, RuntimeError) as e:
        raise ValueError(f"these bytes are no count-min sketch of Apache DataSketches: {e}") from None
    if sketch.serialize() != counters:
        raise ValueError("these bytes are no count-min sketch that this program wrote")
    return sketch
