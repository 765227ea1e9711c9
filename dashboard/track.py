"""The latest fixes of one device, in little memory."""

from array import array
from math import isnan, nan
from typing import Final, NamedTuple

_WIDTH: Final = 6


class Fix(NamedTuple):
    """Where the device was. `number`: the board's, when it came."""

    number: int
    time_ms: int
    latitude_deg: float
    longitude_deg: float
    speed_mps: float | None
    altitude_m: float | None


class Track:
    """A ring of fixes in the order of their event times, whatever order they came in; 48 bytes each.

    The oldest goes when there is one too many. One fix a moment: what comes again changes nothing.
    """

    __slots__ = ("_most", "_numbers", "heard_ms", "number")

    def __init__(self, most: int) -> None:
        self._most = most
        self._numbers = array("d")
        self.number = 0
        """Of the last change."""
        self.heard_ms = 0

    def __len__(self) -> int:
        return len(self._numbers) // _WIDTH

    def add(self, fix: Fix) -> bool:
        """Take a fix; False where it is there already, or older than all of a full ring."""
        held, at = self._numbers, len(self)
        while at and held[(at - 1) * _WIDTH + 1] > fix.time_ms:
            at -= 1
        is_known = at > 0 and held[(at - 1) * _WIDTH + 1] == fix.time_ms
        if is_known or (at == 0 and len(self) == self._most):
            return False
        row = (nan if each is None else each for each in fix)
        held[at * _WIDTH : at * _WIDTH] = array("d", row)
        if len(self) > self._most:
            del held[:_WIDTH]
        self.number = fix.number
        return True

    def latest(self) -> Fix:
        """The fix of the latest event time. There is one."""
        return self._at(len(self) - 1)

    def all(self) -> list[Fix]:
        """Every fix that is held."""
        return [self._at(n) for n in range(len(self))]

    def last(self, most: int, *, since: int = -1) -> list[Fix]:
        """Of the latest `most` fixes those that came after the change number `since`."""
        fixes = (self._at(n) for n in range(max(0, len(self) - most), len(self)))
        return [fix for fix in fixes if fix.number > since]

    def _at(self, n: int) -> Fix:
        number, time_ms, latitude_deg, longitude_deg, speed_mps, altitude_m = self._numbers[
            n * _WIDTH : (n + 1) * _WIDTH
        ]
        return Fix(
            int(number), int(time_ms), latitude_deg, longitude_deg, _known(speed_mps), _known(altitude_m)
        )


def _known(amount: float) -> float | None:
    return None if isnan(amount) else amount
