"""A uniform sample of a stream of unknown length."""

from collections.abc import Sequence
from math import exp, expm1, isfinite, log, log1p, sqrt
from typing import Final, Self

import msgspec

from sketches.chance import Chance
from sketches.sketch import CONFIDENCE, from_frame, to_frame

_HEAD_BYTES: Final = 96  # more than all fields but the items can take
_ITEM_HEAD_BYTES: Final = 5
_LOG_HALF: Final = log(0.5)


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="reservoir"):
    size: int
    item_bytes: int
    seen: int
    next: int
    log_w: float
    chance: int
    items: list[bytes]


class Reservoir:
    """`size` events of a stream, each set of so many equally likely; all events while there are fewer.

    Algorithm L (Li: Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n))), ACM TOMS 20,
    1994): think of a random number for each event, and keep those with the smallest. How many events go by
    before the next is kept follows from the largest number kept (`w`), so that an event costs a comparison.

    Items are bytes, `item_bytes` at most. Reservoirs that are to be merged need different seeds, e.g. by
    topic and partition: with the same one they would keep the same places of their streams.
    """

    __slots__ = ("_chance", "_item_bytes", "_items", "_log_w", "_next", "_seen", "_size")

    def __init__(self, size: int, *, item_bytes: int, seed: int) -> None:
        if size < 1 or item_bytes < 1:
            raise ValueError(f"a reservoir has room for one item of one byte, not {size} of {item_bytes}")
        self._size = size
        self._item_bytes = item_bytes
        self._items: list[bytes] = []
        self._seen = 0
        self._next = 1  # the number of the event that is kept next, counted from 1
        self._log_w = 0.0
        self._chance = Chance(seed)

    @property
    def sample(self) -> Sequence[bytes]:
        """The events that are kept, in no order that means anything."""
        return tuple(self._items)

    @property
    def seen(self) -> int:
        """How many events there were."""
        return self._seen

    def skip(self, most: int) -> int:
        """Take the events, up to so many, that are not to be kept; return how many those are.

        They need not be made into bytes.
        """
        skipped = min(most, self._next - 1 - self._seen)
        self._seen += skipped
        return skipped

    def update(self, item: bytes) -> bool:
        """Take an event; return whether it is kept, for now. Raises ValueError where it is too long."""
        if len(item) > self._item_bytes:
            raise ValueError(f"an item of {len(item)} bytes; this reservoir takes {self._item_bytes} at most")
        self._seen += 1
        if self._seen < self._next:
            return False
        if len(self._items) < self._size:
            self._items.append(item)
        else:
            self._items[self._chance.below(self._size)] = item
        if len(self._items) < self._size:
            self._next += 1
        else:
            # The largest of `size` random numbers below w.
            self._log_w -= self._chance.exponential() / self._size
            self._skip()
        return True

    def merge(self, other: Self) -> None:
        """Become a sample of both streams together: exact in distribution, also for what comes later.

        How many come from which is hypergeometric; of each, a random part of its sample is a sample. And
        `w` is drawn anew, as the `size`-th smallest of as many random numbers as there were events.
        """
        if (self._size, self._item_bytes) != (other._size, other._item_bytes):
            raise ValueError("reservoirs of different sizes cannot be merged")
        chance = self._chance
        chance.absorb(other._chance)
        mine, theirs = list(self._items), list(other._items)
        mine_left, left = self._seen, self._seen + other._seen
        self._seen, self._items = left, []
        for _ in range(min(self._size, left)):
            is_mine = chance.below(left) < mine_left
            source = mine if is_mine else theirs
            self._items.append(_taken(source, chance.below(len(source))))
            mine_left -= is_mine
            left -= 1
        if self._seen < self._size:
            self._next = self._seen + 1
        else:
            spacings = (chance.exponential() / (self._seen - place) for place in range(self._size))
            self._log_w = _log_1_minus_exp(-sum(spacings))
            self._skip()

    def error_bound(self) -> float:
        """The most by which a share in the sample differs from that in the stream, 99 times of 100.

        For a property that does not depend on the sample: Hoeffding, JASA 58 (1963), theorem 2 and, for
        draws without replacement, 4. 0 while all events are kept.
        """
        return sqrt(log(2 / (1 - CONFIDENCE)) / (2 * self._size)) if self._seen > self._size else 0.0

    def size_bound_bytes(self) -> int:
        """96 bytes, and each item's length and 5."""
        return _HEAD_BYTES + self._size * (self._item_bytes + _ITEM_HEAD_BYTES)

    def to_bytes(self) -> bytes:
        """The whole state, that of chance too."""
        return to_frame(
            _State(
                self._size,
                self._item_bytes,
                self._seen,
                self._next,
                self._log_w,
                self._chance.state,
                self._items,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        reservoir = cls(state.size, item_bytes=state.item_bytes, seed=state.chance)
        if not (
            len(state.items) == min(state.size, state.seen)
            and all(len(item) <= state.item_bytes for item in state.items)
            and state.next > state.seen >= 0
            and (isfinite(state.log_w) and state.log_w < 0 if state.seen >= state.size else state.log_w == 0)
        ):
            raise ValueError("these bytes are no reservoir: its fields contradict each other")
        reservoir._items = state.items
        reservoir._seen = state.seen
        reservoir._next = state.next
        reservoir._log_w = state.log_w
        return reservoir

    def _skip(self) -> None:
        """Draw the event that is kept next: each has the chance w to be it."""
        self._next = self._seen + 1 + int(-self._chance.exponential() / _log_1_minus_exp(self._log_w))


def _taken(items: list[bytes], place: int) -> bytes:
    """Remove an item, leaving the others in any order."""
    items[place], items[-1] = items[-1], items[place]
    return items.pop()


def _log_1_minus_exp(x: float) -> float:
    """log(1 - exp(x)) for x below 0, without loss of digits at either end."""
    return log(-expm1(x)) if x > _LOG_HALF else log1p(-exp(x))
