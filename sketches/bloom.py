"""A set that answers "was it ever seen" in a few bits a key."""

from collections.abc import Sequence
from math import ceil, inf, log, log1p
from typing import Final, Self

import mmh3
import msgspec

from sketches.sketch import from_frame, to_frame

_SEED: Final = 0x5EED
_HEAD_BYTES: Final = 64
_FEWEST_BITS: Final = 256  # fewer fill too unevenly for the rate to hold


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="bloom"):
    keys: int
    false_positive_rate: float
    bits: bytes


class BloomFilter:
    """A set of keys. One that was put in is always found; one that was not, at the stated rate, too.

    Bloom (Space/time trade-offs in hash coding with allowable errors, CACM 13, 1970). The places of a key's
    bits come from two hashes (Kirsch, Mitzenmacher: Less hashing, same performance, ESA 2006), moved apart
    as Dillinger and Manolios do (Bloom filters in probabilistic verification, FMCAD 2004), so that small
    filters keep their rate.

    The rate holds as long as no more than `keys` different ones are in it; one put in again adds nothing.
    """

    __slots__ = ("_bit_count", "_bits", "_false_positive_rate", "_keys", "_probes")

    def __init__(self, keys: int, false_positive_rate: float) -> None:
        hash_count, self._bit_count = _dimensions(keys, false_positive_rate)
        # Dillinger and Manolios: the distance from probe to probe grows by 1, 2, 3, …
        self._probes = [(number, (number**3 - number) // 6) for number in range(hash_count)]
        self._keys = keys
        self._false_positive_rate = false_positive_rate
        self._bits = bytearray(_bytes_for(self._bit_count))

    def update(self, key: bytes) -> None:
        """Put a key in."""
        self.set(self.places(key))

    def __contains__(self, key: bytes) -> bool:
        return self.has(self.places(key))

    def places(self, key: bytes) -> Sequence[int]:
        """The numbers of a key's bits: the same in all filters for as many keys at the same rate."""
        bit_count = self._bit_count
        start, step = mmh3.mmh3_x64_128_utupledigest(key, _SEED)
        return [(start + number * step + extra) % bit_count for number, extra in self._probes]

    def set(self, places: Sequence[int]) -> None:
        """Put in the key with these places."""
        bits = self._bits
        for place in places:
            bits[place >> 3] |= 1 << (place & 7)

    def has(self, places: Sequence[int]) -> bool:
        """Whether the key with these places was put in."""
        bits = self._bits
        for place in places:  # noqa: SIM110 - in half the time of all()
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True

    def merge(self, other: Self) -> None:
        """Become the set of the keys in either: to the bit the filter that has seen both streams."""
        if (self._keys, self._false_positive_rate) != (other._keys, other._false_positive_rate):
            raise ValueError("Bloom filters for different numbers of keys or rates cannot be merged")
        either = int.from_bytes(self._bits, "little") | int.from_bytes(other._bits, "little")
        self._bits = bytearray(either.to_bytes(len(self._bits), "little"))

    def clear(self) -> None:
        """Forget all keys."""
        self._bits = bytearray(len(self._bits))

    @property
    def bits(self) -> bytes:
        """The bits, lowest first."""
        return bytes(self._bits)

    def load(self, bits: bytes) -> None:
        """Become the filter with these bits. Raises ValueError where they are of another filter."""
        if len(bits) != len(self._bits) or int.from_bytes(bits, "little") >> self._bit_count:
            raise ValueError(f"{len(bits)} bytes are not the {self._bit_count} bits of this Bloom filter")
        self._bits = bytearray(bits)

    def error_bound(self) -> float:
        """The rate of false positives that was asked for."""
        return self._false_positive_rate

    def estimated_error(self) -> float:
        """The rate of false positives by the bits that are set; above `error_bound`: too many keys."""
        return float(self._fill ** len(self._probes))

    def estimated_keys(self) -> float:
        """How many different keys are in it, by the bits that are set; infinite where all are.

        Swamidass, Baldi: Mathematical correction for fingerprint similarity measures, J. Chem. Inf. Model.
        47, 2007.
        """
        fill = self._fill
        return -self._bit_count / len(self._probes) * log1p(-fill) if fill < 1 else inf

    def size_bound_bytes(self) -> int:
        """64 bytes and the bits, some 1.44 log2(1 / rate) for each key."""
        return _HEAD_BYTES + len(self._bits)

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_State(self._keys, self._false_positive_rate, self.bits))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        check_length(state.bits, state.keys, state.false_positive_rate)
        bloom = cls(state.keys, state.false_positive_rate)
        bloom.load(state.bits)
        return bloom

    @property
    def _fill(self) -> float:
        return int.from_bytes(self._bits, "little").bit_count() / self._bit_count


def check_length(bits: bytes, keys: int, false_positive_rate: float) -> None:
    """Raise ValueError where these are not the bits of such a filter: before memory is taken for it."""
    _, bit_count = _dimensions(keys, false_positive_rate)
    if len(bits) != _bytes_for(bit_count):
        raise ValueError(f"{len(bits)} bytes are not the {bit_count} bits of a Bloom filter for {keys} keys")


def _dimensions(keys: int, false_positive_rate: float) -> tuple[int, int]:
    """How many hashes and bits it takes."""
    if keys < 1 or not 0 < false_positive_rate < 1:
        raise ValueError(
            f"a Bloom filter has room for a key, at a rate between 0 and 1: not {keys}, {false_positive_rate}"
        )
    hash_count = max(1, round(-log(false_positive_rate) / log(2)))
    # The best number of hashes is no whole number: so many bits that the rate holds with this one.
    fill = false_positive_rate ** (1 / hash_count)
    return hash_count, max(_FEWEST_BITS, ceil(-hash_count * keys / log1p(-fill)))


def _bytes_for(bit_count: int) -> int:
    return (bit_count + 7) // 8
