"""How much happened lately: counts in spans of ten seconds, of which the last hour's are kept."""

from collections import Counter, deque
from typing import Final

SPAN_MS: Final = 10_000
_RATE_SPANS: Final = 3


class Counts:
    """Counts by name over the last `history_ms`; memory is bounded by the spans in it."""

    def __init__(self, history_ms: int) -> None:
        self._history_ms = history_ms
        self._spans: deque[tuple[int, Counter[str]]] = deque(maxlen=history_ms // SPAN_MS + 2)

    def add(self, name: str, heard_ms: int) -> None:
        """Count something. What was heard before the newest span began counts in it."""
        start_ms = heard_ms - heard_ms % SPAN_MS
        if not self._spans or start_ms > self._spans[-1][0]:
            self._spans.append((start_ms, Counter()))
        self._spans[-1][1][name] += 1

    def totals(self, now_ms: int) -> Counter[str]:
        """All of the history together."""
        total: Counter[str] = Counter()
        for start_ms, counter in self._spans:
            if start_ms > now_ms - self._history_ms:
                total.update(counter)
        return total

    def per_s(self, name: str, now_ms: int) -> float:
        """The mean rate over the last whole spans."""
        end_ms = now_ms - now_ms % SPAN_MS
        begin_ms = end_ms - _RATE_SPANS * SPAN_MS
        seen = sum(counter[name] for start_ms, counter in self._spans if begin_ms <= start_ms < end_ms)
        return seen * 1000 / (_RATE_SPANS * SPAN_MS)

    def by_minute(self, name: str, now_ms: int, minutes: int) -> list[int]:
        """The counts of the last minutes, the oldest first; the last one has begun and goes on."""
        bars = [0] * minutes
        for start_ms, counter in self._spans:
            ago = now_ms // 60_000 - start_ms // 60_000
            if 0 <= ago < minutes:
                bars[minutes - 1 - ago] += counter[name]
        return bars
