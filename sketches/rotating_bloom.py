"""A Bloom filter that forgets: a ring of filters, one for each span of time."""

from math import expm1, log1p
from typing import Final, Self

import msgspec

from sketches.bloom import BloomFilter, check_length
from sketches.sketch import from_frame, to_frame

_HEAD_BYTES: Final = 64
_GENERATION_HEAD_BYTES: Final = 5
_NEVER: Final = -1  # no key was put in yet


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="rotating_bloom"):
    keys: int
    false_positive_rate: float
    span_ms: int
    newest_span: int
    generations: list[bytes]


class RotatingBloomFilter:
    """A set of keys that forgets those that were not put in again for some time.

    Time is cut into spans of `span_ms`, aligned to absolute time; each of the latest `generations` spans has
    a filter for `keys` keys. A key is remembered for (generations - 1) spans at least and for all of them
    at most. The state is a function of the set of (key, time) seen: order and repeats make no difference.

    A time is taken for true: one far in the future makes all that is older be forgotten. So give record
    timestamps, which the broker checks, and not the clock of a device. The rate of false positives is that
    of the whole ring; it holds while no span has more than `keys` different ones.
    """

    __slots__ = ("_false_positive_rate", "_generations", "_keys", "_newest_span", "_span_ms")

    def __init__(self, keys: int, false_positive_rate: float, *, span_ms: int, generations: int) -> None:
        if span_ms < 1 or generations < 2:
            raise ValueError(
                f"a ring has two generations or more of 1 ms or more, not {generations} of {span_ms} ms"
            )
        self._keys = keys
        self._false_positive_rate = false_positive_rate
        self._span_ms = span_ms
        self._newest_span = _NEVER
        rate = _rate_of_one(false_positive_rate, generations)
        self._generations = [BloomFilter(keys, rate) for _ in range(generations)]  # span modulo length

    def span(self, time_ms: int) -> int:
        """The number of the span that a time lies in. Raises ValueError for a time before 1970."""
        if time_ms < 0:
            raise ValueError(f"a time of {time_ms} ms lies before 1970")
        return time_ms // self._span_ms

    def update(self, key: bytes, time_ms: int) -> bool:
        """Put a key in as of this time; return whether the ring still reaches back so far."""
        span = self.span(time_ms)
        self._turn_to(span)
        if span < self._oldest(self._newest_span):
            return False
        generation = self._generation(span)
        generation.set(generation.places(key))
        return True

    def contains(self, key: bytes, time_ms: int) -> bool:
        """Whether a key was put in, as of this time, later, or so shortly before that it is not forgotten."""
        oldest = self._oldest(max(self.span(time_ms), self._newest_span))
        places = self._generations[0].places(key)
        for span in range(self._newest_span, oldest - 1, -1):  # noqa: SIM110 - in half the time of any()
            if self._generation(span).has(places):
                return True
        return False

    def merge(self, other: Self) -> None:
        """Become the set of both: to the bit the ring that has seen both streams."""
        if self._parameters != other._parameters:
            raise ValueError("Bloom filters with other keys, rates, spans or generations cannot be merged")
        self._turn_to(other._newest_span)
        for span in range(self._oldest(self._newest_span), other._newest_span + 1):
            self._generation(span).merge(other._generation(span))

    def error_bound(self) -> float:
        """The rate of false positives, of all generations together, that was asked for."""
        return self._false_positive_rate

    def estimated_error(self) -> float:
        """The rate of false positives by the bits that are set; above `error_bound`: too many keys."""
        none_is_wrong = 1.0
        for generation in self._generations:
            none_is_wrong *= 1 - generation.estimated_error()
        return 1 - none_is_wrong

    def size_bound_bytes(self) -> int:
        """64 bytes, and for each generation 5 and its bits."""
        bits_bytes = sum(len(generation.bits) for generation in self._generations)
        return _HEAD_BYTES + len(self._generations) * _GENERATION_HEAD_BYTES + bits_bytes

    def to_bytes(self) -> bytes:
        """The whole state."""
        keys, rate, span_ms, _ = self._parameters
        generations = [generation.bits for generation in self._generations]
        return to_frame(_State(keys, rate, span_ms, self._newest_span, generations))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        generations, rate = len(state.generations), state.false_positive_rate
        if generations < 2 or state.newest_span < _NEVER:
            raise ValueError("these bytes are no rotating Bloom filter: its fields contradict each other")
        for bits in state.generations:
            check_length(bits, state.keys, _rate_of_one(rate, generations))
        ring = cls(state.keys, rate, span_ms=state.span_ms, generations=generations)
        for generation, bits in zip(ring._generations, state.generations, strict=True):
            generation.load(bits)
        ring._newest_span = state.newest_span
        return ring

    @property
    def _parameters(self) -> tuple[int, float, int, int]:
        return self._keys, self._false_positive_rate, self._span_ms, len(self._generations)

    def _generation(self, span: int) -> BloomFilter:
        return self._generations[span % len(self._generations)]

    def _oldest(self, newest_span: int) -> int:
        """The oldest span that is remembered where this is the newest."""
        return max(newest_span - len(self._generations) + 1, 0)

    def _turn_to(self, span: int) -> None:
        """Make room for a span, and forget what is too old beside it."""
        for new in range(max(self._newest_span + 1, self._oldest(span)), span + 1):
            self._generation(new).clear()
        self._newest_span = max(self._newest_span, span)


def _rate_of_one(false_positive_rate: float, generations: int) -> float:
    """A key may be found wrongly in any generation: 1 - (1 - this) ** generations is the rate of all."""
    if not 0 < false_positive_rate < 1:
        raise ValueError(f"a rate of false positives lies between 0 and 1, not at {false_positive_rate}")
    return -expm1(log1p(-false_positive_rate) / generations)
