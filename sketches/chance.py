"""Random numbers that are the same in every process and whose state fits in a snapshot."""

from math import log
from typing import Final

_GOLDEN_GAMMA: Final = 0x9E3779B97F4A7C15
_64_BITS: Final = 2**64 - 1


class Chance:
    """SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).

    Not for secrets. `state`: an integer of 64 bits, all that there is; its first value is the seed.
    """

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state & _64_BITS

    def bits(self) -> int:
        """Sixty-four random bits."""
        self.state = self.state + _GOLDEN_GAMMA & _64_BITS
        return _mixed(self.state)

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1; uneven by count / 2**64 at most."""
        return self.bits() * count >> 64

    def uniform(self) -> float:
        """A number between 0 and 1, neither of them."""
        return ((self.bits() >> 12) + 0.5) * 2.0**-52

    def exponential(self) -> float:
        """A number above 0, exponentially distributed with mean 1."""
        return -log(self.uniform())

    def absorb(self, other: "Chance") -> None:
        """Go on from a state that depends on both."""
        self.state = _mixed(self.state ^ _mixed(other.state + _GOLDEN_GAMMA & _64_BITS))


def _mixed(bits: int) -> int:
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & _64_BITS
    return bits ^ bits >> 31
