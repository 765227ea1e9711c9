"""Counts and sums in which one person weighs no more than was declared: what noise can then hide.

Two data sets are neighbours where one has all rows of a person more than the other. Each function says by
how much its result can differ between neighbours (its L1 sensitivity): Dwork and Roth, The Algorithmic
Foundations of Differential Privacy, 2014, 3.3. Amounts are whole cents: the last bits of a sum of floats
would tell of the rows (Mironov, CCS 2012).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one person can put into an answer: declared beforehand, never read off the data.

    Rows beyond `rows_per_person` are left out, amounts beyond the limits are moved to them. Higher limits:
    more noise; lower ones: more that is cut off, which no interval shows. Raises ValueError.
    """

    rows_per_person: int
    least_amount: float = 0.0
    most_amount: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what bounds nothing."""
        if self.rows_per_person < 1:
            raise ValueError(f"rows_per_person is {self.rows_per_person}; wanted 1 or more")
        if not -1e12 <= self.least_amount <= self.most_amount <= 1e12:
            raise ValueError(f"amounts from {self.least_amount} to {self.most_amount} are no limits")

    @property
    def least_cents(self) -> int:
        """The lower limit of an amount."""
        return round(self.least_amount * 100)

    @property
    def most_cents(self) -> int:
        """The upper limit of an amount."""
        return round(self.most_amount * 100)

    @property
    def middle_cents(self) -> int:
        """About half-way: sums of differences from it need least noise."""
        return (self.least_cents + self.most_cents) // 2

    def cents(self, amount: float) -> int:
        """An amount within the limits, in cents; what is no number counts as the lower limit."""
        return round(min(amount, self.most_amount) * 100) if amount > self.least_amount else self.least_cents


def first_of_each(rows: Iterable[tuple[str, T]], most: int) -> Iterator[T]:
    """Yield what comes with each person, of nobody more than `most`: the first ones of (person, value).

    Which rows of a person are kept depends on this person's rows alone.
    """
    seen: Counter[str] = Counter()
    for person, value in rows:
        seen[person] += 1
        if seen[person] <= most:
            yield value


def counts(rows: Iterable[tuple[str, str]], categories: Sequence[str], bounds: Bounds) -> list[int]:
    """How many rows of (person, category) are of each category. Sensitivity, over all: rows_per_person.

    The categories are declared: one that appears for a single person would give them away. Rows of others
    are not counted, but count among their person's rows. Raises ValueError for a category that is there
    twice: a person would weigh twice in it.
    """
    if len(set(categories)) < len(categories):
        raise ValueError("a category is declared twice")
    counted = Counter(first_of_each(rows, bounds.rows_per_person))
    return [counted[category] for category in categories]


def sum_cents(rows: Iterable[tuple[str, float]], bounds: Bounds) -> int:
    """Sum of the amounts of (person, amount). Sensitivity: `sum_sensitivity_cents`."""
    return sum(map(bounds.cents, first_of_each(rows, bounds.rows_per_person)))


def sum_sensitivity_cents(bounds: Bounds) -> int:
    """By how much a person can change `sum_cents`."""
    return bounds.rows_per_person * max(abs(bounds.least_cents), abs(bounds.most_cents))


def count_and_deviation_cents(rows: Iterable[tuple[str, float]], bounds: Bounds) -> tuple[int, int]:
    """Number of rows (sensitivity rows_per_person) and sum of their differences from the middle.

    Sensitivity of the latter: `deviation_sensitivity_cents`.
    """
    cents = [*map(bounds.cents, first_of_each(rows, bounds.rows_per_person))]
    return len(cents), sum(cents) - len(cents) * bounds.middle_cents


def deviation_sensitivity_cents(bounds: Bounds) -> int:
    """By how much a person can change the sum of differences from the middle."""
    farthest = max(bounds.most_cents - bounds.middle_cents, bounds.middle_cents - bounds.least_cents)
    return bounds.rows_per_person * farthest
