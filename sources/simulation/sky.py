"""What all phones have above them: satellites, whose clock they show and whose errors they make."""

import math
from random import Random

from models.times import utc_datetime

LARGEST_ERROR = 2.0
"""No error is larger, in declared accuracies."""
ERRORS = 1 << 13  # eleven hours of a phone that reports every 5 s
_MEMORY = 0.9  # the error of a GPS drifts, it does not jump
_FRESH = math.sqrt(1 - _MEMORY**2)
_SIGMAS_IN_ACCURACY = 1.515  # a declared accuracy is the radius that 68 % of the errors stay within


class Sky:
    """Errors and texts of times, made once for many fixes: to make them for each took a third of the time."""

    __slots__ = ("_second", "_text", "errors")

    def __init__(self, rng: Random) -> None:
        self.errors = _drifting_errors(rng)
        """To the east and to the north, in declared accuracies, each near the one before. Each phone walks
        through them from a place of its own, and begins again at the end."""
        self._second, self._text = -1, ""

    def time_text(self, time_ms: int) -> str:
        """UTC, cut to whole seconds."""
        second = time_ms // 1000
        if second != self._second:
            self._second, self._text = second, f"{utc_datetime(second * 1_000_000_000):%Y-%m-%d %H:%M:%S}"
        return self._text


def _drifting_errors(rng: Random) -> list[tuple[float, float]]:
    errors = []
    east, north = rng.gauss(0, 1), rng.gauss(0, 1)
    largest = LARGEST_ERROR * _SIGMAS_IN_ACCURACY
    for _ in range(ERRORS):
        east = _MEMORY * east + _FRESH * rng.gauss(0, 1)
        north = _MEMORY * north + _FRESH * rng.gauss(0, 1)
        scale = min(1.0, largest / (math.hypot(east, north) or 1.0)) / _SIGMAS_IN_ACCURACY
        errors.append((east * scale, north * scale))
    return errors
