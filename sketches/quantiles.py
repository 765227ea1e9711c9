"""Quantiles of a stream: KLL.

Our own and not Apache's, whose coins come from a generator that is seeded by the clock: there a worker that
goes on from a snapshot makes another sketch than an undisturbed one. Its bound is a fit to measurements; ours
is proven.
"""

import math
from array import array
from bisect import bisect_left
from itertools import accumulate
from typing import Annotated, Final, Self

import mmh3
import msgspec

from sketches.sketch import CONFIDENCE, from_frame, to_frame

TOP_ITEMS: Final = 800
"""How many items the top level holds, k in the paper; those below hold two thirds of the next one's."""
_BUFFER_ITEMS: Final = 512  # of the lowest level: sorting many at once is cheap, and more items harm no bound
_LEAST_ITEMS: Final = 8
_MOST_LEVELS: Final = 33  # for 10^12 values; more would be more than 64 bits of variance, too


_Natural = Annotated[int, msgspec.Meta(ge=0)]


class _State(msgspec.Struct, frozen=True, array_like=True, tag="quantiles"):
    seed: int
    coins: _Natural
    variance: _Natural
    least: float
    most: float
    levels: tuple[bytes, ...]


class Quantiles:
    """Quantiles of numbers: amounts, speeds, latencies.

    KLL (Karnin, Lang, Liberty: Optimal Quantile Approximation in Streams, FOCS 2016). Each item of level h
    stands for 2^h values. A full level is sorted, a coin takes every second item to the next level, from the
    first or from the second. Count, least and most are exact, and so is all until there are 512 values.

    Coins are hashes of their number under the seed: give sketches that will be merged different seeds.
    """

    def __init__(self, seed: int = 0) -> None:
        if not 0 <= seed < 2**32:
            raise ValueError("the seed must have 32 bits")
        self._seed = seed
        self._coins = 0
        self._variance = 0
        self._levels: list[list[float]] = [[]]
        self._lowest = self._levels[0]
        self._least, self._most = math.inf, -math.inf  # of what left the lowest level

    def update(self, *values: float) -> None:
        """Take values. Raises ValueError at the first that is no number, or infinite."""
        for value in values:
            if not -math.inf < value < math.inf:
                raise ValueError("a value must be a finite number")
            self._lowest.append(value + 0.0)  # -0 becomes 0
            if len(self._lowest) >= _BUFFER_ITEMS:
                self._compact()

    def merge(self, other: Self) -> None:
        """Become a sketch of both streams, within the bound; count, least and most are those of both."""
        for height, level in enumerate([list(level) for level in other._levels]):
            if height == len(self._levels):
                self._levels.append([])
            self._levels[height] += level
        self._coins += other._coins
        self._variance += other._variance
        self._least, self._most = min(self._least, other._least), max(self._most, other._most)
        self._compact()

    @property
    def least(self) -> float:
        """The least value; infinite without any."""
        return min((self._least, *self._lowest))

    @property
    def most(self) -> float:
        """The greatest value; minus infinite without any."""
        return max((self._most, *self._lowest))

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(len(level) << height for height, level in enumerate(self._levels))

    def quantile(self, share: float) -> float | None:
        """The least value such that at least this share of all values is not above it; None without any.

        Its rank is right within `error_bound`. Raises ValueError when the share is not within 0 to 1.
        """
        return self.quantiles([share])[0]

    def quantiles(self, shares: list[float]) -> list[float | None]:
        """As `quantile`, for several at once: the items are put in order once."""
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("a share must be within 0 to 1")
        items = sorted((value, 1 << height) for height, level in enumerate(self._levels) for value in level)
        ranks = list(accumulate(weight for _, weight in items))
        return [self._at(items, ranks, share) for share in shares]

    def _at(self, items: list[tuple[float, int]], ranks: list[int], share: float) -> float | None:
        if not items:
            return None
        if share in {0, 1}:
            return self.most if share else self.least
        return items[bisect_left(ranks, share * ranks[-1])][0]

    def rank(self, value: float) -> float | None:
        """The share of values that are not above this one; None without any."""
        if not self.count:
            return None
        below = sum(
            sum(item <= value for item in level) << height for height, level in enumerate(self._levels)
        )
        return below / self.count

    def to_bytes(self) -> bytes:
        """The whole state."""
        levels = tuple(array("d", sorted(level)).tobytes() for level in self._levels)
        return to_frame(_State(self._seed, self._coins, self._variance, self.least, self.most, levels))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        if not 1 <= len(state.levels) <= _MOST_LEVELS or any(len(level) % 8 for level in state.levels):
            raise ValueError("these bytes are no quantiles sketch: its levels are cut off")
        sketch = cls(state.seed)
        sketch._coins, sketch._variance = state.coins, state.variance
        sketch._least, sketch._most = state.least, state.most
        sketch._levels = [array("d", level).tolist() for level in state.levels]
        sketch._lowest = sketch._levels[0]
        return sketch

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns, for up to 10^12 values."""
        items = _BUFFER_ITEMS + sum(_capacity(below) for below in range(_MOST_LEVELS))
        return 128 + 5 * _MOST_LEVELS + 8 * items

    def error_bound(self) -> float:
        """How far the rank of any one value may be off, as a share of all values, with 99 % confidence.

        Each compaction at level h moves a rank by 0 or, with equal chances, by +2^h or -2^h. Their number
        does not depend on the values, so Hoeffding's inequality holds for the sum: √(2 ln(2 / 0.01) Σ 4^h).
        Merging adds the sums up. About 0.7 to 1 % of many values, and 0 while there are fewer than 512.
        """
        if not self._variance:
            return 0.0
        return math.sqrt(2 * math.log(2 / (1 - CONFIDENCE)) * self._variance) / self.count

    def _compact(self) -> None:
        """Halve each level that is full, from the lowest up."""
        height = 0
        while height < len(self._levels):
            level = self._levels[height]
            full = _BUFFER_ITEMS if height == 0 else _capacity(len(self._levels) - 1 - height)
            if len(level) >= full:
                if height + 1 == len(self._levels):
                    self._levels.append([])
                level.sort()
                self._least, self._most = min(self._least, level[0]), max(self._most, level[-1])
                odd = [level.pop()] if len(level) % 2 else []
                coin = mmh3.hash(b"%d" % self._coins, self._seed, signed=False) & 1
                self._levels[height + 1] += level[coin::2]
                level[:] = odd
                self._coins += 1
                self._variance += 4**height
            height += 1


def _capacity(below_top: int) -> int:
    """How many items a level so far below the top holds."""
    return max(_LEAST_ITEMS, math.ceil(TOP_ITEMS * (2 / 3) ** below_top))
