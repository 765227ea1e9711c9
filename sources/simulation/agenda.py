"""What happens when, and what is sent then."""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator

from sources.simulation.scenario import Simulated

Sent = Iterable[Simulated]
Act = Callable[[int], Sent]
"""Given the time in ms, does something and tells what is sent."""

_Entry = tuple[int, int, Act]


class Agenda:
    """Acts in order of time; those of the same time, in the order in which they were planned.

    A page for each second, put in order when its time comes: most acts are phones' reports, which are due at
    whole seconds, so that their page is in order already. A heap of everybody took three times as long.
    """

    def __init__(self, start_ms: int, end_ms: int) -> None:
        self.end_ms = end_ms
        """Nothing happens from here on."""
        self._second = start_ms // 1000
        self._pages: dict[int, list[_Entry]] = {}
        self._page: list[_Entry] = []
        self._done = 0
        self._count = 0

    def plan(self, time_ms: int, act: Act) -> None:
        """Do that then; an act may plan others, not earlier than itself."""
        self._count += 1
        entry, second = (time_ms, self._count, act), time_ms // 1000
        if second == self._second:
            insort(self._page, entry, lo=self._done)
        elif (page := self._pages.get(second)) is not None:
            page.append(entry)
        else:
            self._pages[second] = [entry]

    def happenings(self) -> Iterator[tuple[int, Simulated]]:
        """Yield (time in ms, event sent then) in order of time."""
        while self._second * 1000 < self.end_ms:
            while self._done < len(self._page):
                now_ms, _, act = self._page[self._done]
                self._done += 1
                if now_ms >= self.end_ms:
                    return
                for simulated in act(now_ms):
                    yield now_ms, simulated
            self._second, self._done = self._second + 1, 0
            self._page = sorted(self._pages.pop(self._second, ()))
