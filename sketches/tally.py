"""What happened in a span of time, or in a merchant category: numbers that add up, and who was distinct."""

from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec

from sketches.distinct import Distinct
from sketches.items import MAX_ITEM_BYTES, short
from sketches.sketch import from_frame, to_frame

GROUPS: Final = ("people", "cards", "devices", "merchants", "high_value_people")
MOST_WORDS: Final = 64
OTHERS: Final = "(others)"
MOST_AMOUNT: Final = 1e12
"""Amounts up to this add up exactly, in hundredths; larger ones, either way, are left out of the sum."""

_HEAD_BYTES: Final = 256
_COUNT_BYTES: Final = 9 + 3


class _State(msgspec.Struct, frozen=True, array_like=True, tag="tally"):
    events: dict[str, int]
    amounts: int
    hundredths: str  # of a sum that may need more than 64 bits
    words: dict[str, dict[str, int]]
    distinct: dict[str, bytes]


class Tally:
    """Counts of events, of words by field (category, device type, …), a sum of amounts, and distinct counts.

    Counts and sums are exact. Of each field the `MOST_WORDS` that came first are counted by themselves, the
    rest together as "(others)". Distinct counts are HyperLogLogs. Merging adds all up.
    """

    __slots__ = ("_amounts", "_distinct", "_events", "_hundredths", "_words")

    def __init__(self) -> None:
        self._events: dict[str, int] = {}
        self._amounts = 0
        self._hundredths = 0
        self._words: dict[str, dict[str, int]] = {}
        self._distinct: dict[str, Distinct] = {}

    def count(self, event: str, times: int = 1) -> None:
        """Count an event, one of a few kinds."""
        self._events[event] = self._events.get(event, 0) + times

    def count_word(self, field: str, word: str, times: int = 1) -> None:
        """Count a word of a field."""
        words = self._words.setdefault(field, {})
        word = short(word)
        if word not in words and len(words) >= MOST_WORDS:
            word = OTHERS
        words[word] = words.get(word, 0) + times

    def add_amounts(self, amounts: Iterable[float]) -> None:
        """Add amounts to the sum."""
        hundredths = [round(amount * 100) for amount in amounts if -MOST_AMOUNT <= amount <= MOST_AMOUNT]
        self._amounts += len(hundredths)
        self._hundredths += sum(hundredths)

    def add_distinct(self, group: str, *items: str | None) -> None:
        """Count items among the distinct ones of one of `GROUPS`; None is nobody."""
        known = [item for item in items if item is not None]
        if known:
            sketch = self._distinct.get(group)
            if sketch is None:
                sketch = self._distinct[group] = Distinct()
            sketch.update(*known)

    @property
    def events(self) -> Mapping[str, int]:
        """How often each event was."""
        return self._events

    @property
    def average_amount(self) -> float | None:
        """The mean of the amounts; None without any."""
        return self._hundredths / (100 * self._amounts) if self._amounts else None

    @property
    def total_amount(self) -> float:
        """The sum of the amounts."""
        return self._hundredths / 100

    def top(self, field: str, most: int) -> list[tuple[str, int]]:
        """The most frequent words of a field; of equal ones in the order of their text."""
        counted = sorted(self._words.get(field, {}).items(), key=lambda entry: (-entry[1], entry[0]))
        return counted[:most]

    def distinct(self, group: str) -> float:
        """How many distinct items a group had."""
        sketch = self._distinct.get(group)
        return sketch.estimate() if sketch is not None else 0.0

    def merge(self, other: Self) -> None:
        """Become the tally of both: equal to that of one stream where no field had too many words."""
        for event, count in other._events.items():
            self._events[event] = self._events.get(event, 0) + count
        self._amounts += other._amounts
        self._hundredths += other._hundredths
        for field, words in other._words.items():
            mine = self._words.setdefault(field, {})
            for word, count in words.items():
                at = word if word in mine or len(mine) < MOST_WORDS else OTHERS
                mine[at] = mine.get(at, 0) + count
        for group, sketch in other._distinct.items():
            self._distinct.setdefault(group, Distinct()).merge(sketch)

    @classmethod
    def merged(cls, tallies: Iterable[Self]) -> Self:
        """The tally of all."""
        total = cls()
        for each in tallies:
            total.merge(each)
        return total

    def error_bound(self) -> float:
        """The relative error of the distinct counts; all else is exact."""
        return Distinct().error_bound()

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns for up to eight fields and all groups."""
        words = 8 * (MOST_WORDS + 1) * (MAX_ITEM_BYTES + _COUNT_BYTES)
        return _HEAD_BYTES + words + len(GROUPS) * (Distinct().size_bound_bytes() + 32)

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(
            _State(
                dict(sorted(self._events.items())),
                self._amounts,
                str(self._hundredths),
                {field: dict(sorted(words.items())) for field, words in sorted(self._words.items())},
                {group: sketch.to_bytes() for group, sketch in sorted(self._distinct.items())},
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        tally = cls()
        tally._events, tally._amounts = state.events, state.amounts
        tally._hundredths = int(state.hundredths)
        tally._words = state.words
        tally._distinct = {group: Distinct.from_bytes(code) for group, code in state.distinct.items()}
        return tally
