"""How much happened lately: counts in spans of ten seconds, of which the last hour's are kept."""

from collections import Counter
from typing import Final

SPAN_MS: Final = 10_000
_RATE_SPANS: Final = 3


class Counts:
    """Counts by name over the last `history_ms`; memory is bounded by the spans in it."""

    def __init__(self, history_ms: int) -> None:
        self._history_ms = history_ms
        self._most_spans = history_ms // SPAN_MS + 2
        self._spans: dict[int, Counter[str]] = {}  # by their start; in any order

    def add(self, name: str, heard_ms: int) -> None:
        """Count something, in the span in which it was heard: partitions are read one after another."""
        self._spans.setdefault(heard_ms - heard_ms % SPAN_MS, Counter())[name] += 1
        if len(self._spans) > self._most_spans:
            del self._spans[min(self._spans)]

    def totals(self, now_ms: int) -> Counter[str]:
        """All of the history together."""
        total: Counter[str] = Counter()
        for start_ms, counter in self._spans.items():
            if start_ms > now_ms - self._history_ms:
                total.update(counter)
        return total

    def per_s(self, name: str, now_ms: int) -> float:
        """The mean rate over the last whole spans."""
        end_ms = now_ms - now_ms % SPAN_MS
        begin_ms = end_ms - _RATE_SPANS * SPAN_MS
        seen = sum(
            counter[name] for start_ms, counter in self._spans.items() if begin_ms <= start_ms < end_ms
        )
        return seen * 1000 / (_RATE_SPANS * SPAN_MS)

    def by_minute(self, name: str, now_ms: int, minutes: int) -> list[int]:
        """The counts of the last minutes, the oldest first; the last one has begun and goes on."""
        bars = [0] * minutes
        for start_ms, counter in self._spans.items():
            ago = now_ms // 60_000 - start_ms // 60_000
            if 0 <= ago < minutes:
                bars[minutes - 1 - ago] += counter[name]
        return bars
