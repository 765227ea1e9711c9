"""What happens when, and what is sent then."""

import heapq
from collections.abc import Callable, Iterator

from sources.simulation.scenario import Simulated

Sent = Iterator[Simulated]
Act = Callable[[int], Sent]
"""Given the time in ms, does something and yields what is sent."""


class Agenda:
    """Acts in order of time; those of the same time, in the order in which they were planned."""

    def __init__(self, end_ms: int) -> None:
        self.end_ms = end_ms
        """Nothing happens from here on."""
        self._planned: list[tuple[int, int, Act]] = []
        self._count = 0

    def plan(self, time_ms: int, act: Act) -> None:
        """Do that then; an act may plan others, not earlier than itself."""
        self._count += 1
        heapq.heappush(self._planned, (time_ms, self._count, act))

    def happenings(self) -> Iterator[tuple[int, Simulated]]:
        """Yield (time in ms, event sent then) in order of time."""
        while self._planned:
            now_ms, _, act = heapq.heappop(self._planned)
            if now_ms >= self.end_ms:
                return
            for simulated in act(now_ms):
                yield now_ms, simulated
