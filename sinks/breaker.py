"""A circuit breaker: a store that failed often in a row is left alone for a while."""

import time
from collections.abc import Callable
from enum import IntEnum


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Says when the next call may be made.

    Closed: at any time. After `failures` calls that failed in a row it opens: none for `open_s`. Then it is
    half open: one call is made, which closes it, or opens it again.
    """

    def __init__(
        self, *, failures: int, open_s: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_failures = failures
        self._open_s = open_s
        self._clock_s = clock_s
        self._failures = 0
        self._open_until_s = 0.0

    @property
    def state(self) -> State:
        """What it is now."""
        if self._failures < self._most_failures:
            return State.CLOSED
        return State.OPEN if self.wait_s > 0 else State.HALF_OPEN

    @property
    def wait_s(self) -> float:
        """How long no call is to be made; 0: one may be."""
        return max(self._open_until_s - self._clock_s(), 0.0)

    def succeed(self) -> None:
        """Take note of a call that came to its end."""
        self._failures = 0
        self._open_until_s = 0.0

    def fail(self) -> None:
        """Take note of one that failed."""
        self._failures += 1
        if self._failures >= self._most_failures:
            self._open_until_s = self._clock_s() + self._open_s
