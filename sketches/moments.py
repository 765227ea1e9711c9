"""How unevenly a stream is spread over its keys: the second moment of their frequencies."""

from array import array
from math import comb, sqrt
from statistics import median
from typing import Final, Self

import mmh3
import msgspec

from sketches.sketch import CONFIDENCE, from_frame, to_frame

_SEED: Final = 0xA11A5
_HEAD_BYTES: Final = 64
_ROW_HEAD_BYTES: Final = 5
_COUNTER_BYTES: Final = 9
_MOST_WIDTH_BITS: Final = 24
_HASH_BITS: Final = 128


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="moments"):
    width: int
    total: int
    rows: list[list[int]]


class SecondMoment:
    """F2, the sum of the squares of how often each key came: the course's "tug of war".

    Alon, Matias, Szegedy: The space complexity of approximating the frequency moments, JCSS 58, 1999: a sum
    of random signs, 4-wise independent by key, has the expected square F2; the mean of many, and the median
    of some means, is near it. Here a key has a part in one of a row's sums instead of all, which gives the
    mean of `width` at the cost of one and with the same variance (Thorup, Zhang: Tabulation based 4-universal
    hashing with applications to second moment estimation, SODA 2004).

    Signs and places are bits of MurmurHash3, taken for random as in the other sketches. Polynomials over a
    prime field, 4-wise independent by proof (Wegman, Carter, JCSS 22, 1981), took twice as long.

    The sums are linear: merging adds them, in any order, exactly. Width is a power of two, depth is odd.
    """

    __slots__ = ("_rows", "_rows_of_seed", "_total", "_width")

    def __init__(self, *, width: int = 1024, depth: int = 5) -> None:
        if width < 2 or width & (width - 1) or width.bit_length() > _MOST_WIDTH_BITS:
            raise ValueError(f"the width must be a power of two from 2 to 2**23, not {width}")
        if depth < 1 or depth % 2 == 0:
            raise ValueError(f"the depth must be odd, for a median, not {depth}")
        self._width = width
        self._total = 0
        self._rows = [array("q", bytes(8 * width)) for _ in range(depth)]
        self._rows_of_seed = self._seeded()

    @property
    def total(self) -> int:
        """F1: how many events there were."""
        return self._total

    def update(self, key: bytes) -> None:
        """Count an event of a key."""
        mask = self._width - 1
        bits_of_row = self._width.bit_length()
        for seed, rows in self._rows_of_seed:
            bits = mmh3.hash128(key, seed)
            for row in rows:
                row[bits >> 1 & mask] += 1 if bits & 1 else -1
                bits >>= bits_of_row
        self._total += 1

    def f2(self) -> float:
        """About the sum of the squares of how often each key came."""
        return float(median(sum(counter * counter for counter in row) for row in self._rows))

    def concentration(self) -> float:
        """F2 / F1²: the chance that two events drawn from the stream have the same key; 0 of no events.

        1 where all have, 1/n where n keys came equally often (Simpson, Nature 163, 1949; Herfindahl).
        """
        return self.f2() / self._total**2 if self._total else 0.0

    def skew(self, distinct_keys: float) -> float:
        """F2 n / F1² for n different keys, as a distinct count has them: 1 where they came equally often.

        It is 1 + the square of the coefficient of variation of how often a key came.
        """
        return self.concentration() * distinct_keys

    def merge(self, other: Self) -> None:
        """Become the sketch of both streams, to the bit."""
        if (self._width, len(self._rows)) != (other._width, len(other._rows)):
            raise ValueError("second moments of different width or depth cannot be merged")
        self._total += other._total
        for row, other_row in zip(self._rows, other._rows, strict=True):
            for place, counter in enumerate(other_row):
                row[place] += counter

    def error_bound(self) -> float:
        """The most by which F2 is wrong, as a share of it, 99 times of 100.

        A row's variance is at most 2 F2² / width, so that it is wrong by more with a chance of at most
        q = 2 / (width bound²) (Chebyshev); the median is, only where more than half of the rows are.
        """
        return sqrt(2 / (self._width * _chance_of_a_row(len(self._rows))))

    def size_bound_bytes(self) -> int:
        """64 bytes, and for each row 5 and 9 for each counter."""
        return _HEAD_BYTES + len(self._rows) * (_ROW_HEAD_BYTES + _COUNTER_BYTES * self._width)

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_State(self._width, self._total, [row.tolist() for row in self._rows]))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        if any(len(row) != state.width for row in state.rows) or state.total < 0:
            raise ValueError("these bytes are no second moment: its fields contradict each other")
        moment = cls(width=state.width, depth=len(state.rows))
        moment._total = state.total
        try:
            moment._rows = [array("q", row) for row in state.rows]
        except OverflowError:
            raise ValueError("these bytes are no second moment: a counter is too large") from None
        moment._rows_of_seed = moment._seeded()
        return moment

    def _seeded(self) -> "list[tuple[int, list[array[int]]]]":
        """The rows by the seed of the hash that they take their bits of."""
        rows_of_seed = _HASH_BITS // self._width.bit_length()
        starts = range(0, len(self._rows), rows_of_seed)
        return [(_SEED + start, self._rows[start : start + rows_of_seed]) for start in starts]


def _chance_of_a_row(depth: int) -> float:
    """How often a row may be wrong so that the median of all is not more often than is allowed."""
    low, high = 0.0, 0.5
    for _ in range(50):
        chance = (low + high) / 2
        most = range((depth + 1) // 2, depth + 1)
        wrong = sum(comb(depth, rows) * chance**rows * (1 - chance) ** (depth - rows) for rows in most)
        low, high = (chance, high) if wrong <= 1 - CONFIDENCE else (low, chance)
    return low
