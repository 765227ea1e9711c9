"""The rows that wait, and the best company that one of them finds among the others."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from privacy.anonymity.generaliser import AXES, Codes, Generaliser, Losses
from privacy.anonymity.row import Row

_PERSON, _MERCHANT, _NUMBER, _SINCE_MS = AXES, AXES + 1, AXES + 2, AXES + 3
_LINES: Final = AXES + 4
_NOBODY: Final = 0
_COMPANY_FACTOR: Final = 6
_NEVER: Final = 9.0  # greater than any loss

Lack = Literal["too_few_people", "too_few_merchants"]

Indices = npt.NDArray[np.intp]


class Waiting(NamedTuple):
    """A row and when it came, in the milliseconds of its caller."""

    row: Row
    since_ms: int


class Buffer:
    """Up to `capacity` rows, their points side by side in one array.

    People and merchants stand in it as hashes. Two with the same hash count as one, so a group may be larger
    than it has to be, and never smaller. Rows without a person, or a merchant, count as nobody, or none.
    """

    def __init__(self, generaliser: Generaliser, capacity: int) -> None:
        self._generaliser = generaliser
        self._table = np.zeros((_LINES, capacity), dtype=np.int64)
        self._rows: list[Row] = []
        self._taken = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: Row, codes: tuple[int, ...], now_ms: int) -> int:
        """Let a row wait; return its number. Rows are numbered as they come."""
        person, merchant = _hash(row.person), _hash(row.merchant)
        self._table[:, len(self._rows)] = (*codes, person, merchant, self._taken, now_ms)
        self._rows.append(row)
        self._taken += 1
        return self._taken - 1

    def oldest(self) -> int:
        """The index of the row that came first; 0 where none waits."""
        return int(self._line(_NUMBER).argmin()) if self._rows else 0

    def number(self, index: int) -> int:
        """The number of that row."""
        return int(self._table[_NUMBER, index])

    def since_ms(self, index: int) -> int:
        """When that row came."""
        return int(self._table[_SINCE_MS, index])

    def codes(self, index: int) -> Codes:
        """The point of a row."""
        point: Codes = self._table[:AXES, index].copy()
        return point

    def remove(self, indices: Iterable[int]) -> list[Waiting]:
        """Take rows out; the others may have other indices then."""
        removed = []
        for index in sorted(indices, reverse=True):
            removed.append(Waiting(self._rows[index], self.since_ms(index)))
            last = self._rows.pop()
            if index < len(self._rows):
                self._rows[index] = last
                self._table[:, index] = self._table[:, len(self._rows)]
        return removed

    def lack(self, k: int, merchants: int, *, without: Indices | None = None) -> Lack | None:
        """What all rows, or all but those, have too few of to be a group."""
        others = self._table[:, : len(self._rows)]
        if without is not None:
            others = np.delete(others, without, axis=1)
        if _count(others[_PERSON]) < k:
            return "too_few_people"
        return "too_few_merchants" if _count(others[_MERCHANT]) < merchants else None

    def everyone(self) -> Indices:
        """All rows."""
        return np.arange(len(self._rows))

    def box(self, indices: Indices) -> tuple[Codes, Codes]:
        """The corners of all that has the generalisation that these rows have in common."""
        points = self._table[:AXES, indices]
        return self._generaliser.widened(points.min(axis=1), points.max(axis=1))

    def company(self, seed: int, k: int, merchants: int) -> Indices | None:
        """A group of the row at `seed` and others that lose little with it. None: not all rows are enough.

        One more row at a time, of a new person, that widens the box least (k-member, Byun et al., 2007),
        among the rows that are nearest to the seed; among all where those are too few.
        """
        table = self._table[:_NUMBER, : len(self._rows)]
        points, point = table[:AXES], table[:AXES, seed : seed + 1]
        losses = self._generaliser.losses(np.minimum(points, point), np.maximum(points, point))
        near = _COMPANY_FACTOR * max(k, merchants)
        if near < len(losses):
            losses[seed] = -1.0  # the nearest of all
            nearest = np.argpartition(losses, near)[:near]
            away = losses[nearest]
            if chosen := self._grow(table[:, nearest], int(away.argmin()), away, k, merchants):
                return nearest[chosen]
        chosen = self._grow(table, seed, losses, k, merchants)
        return np.array(chosen) if chosen else None

    def covered(self, low: Codes, high: Codes, people_of: Indices) -> Indices:
        """The rows in a box that bring no new person to it: of the people of those rows, or of nobody."""
        points, people = self._table[:AXES, : len(self._rows)], self._line(_PERSON)
        inside = np.flatnonzero(((points >= low[:, None]) & (points <= high[:, None])).all(axis=0))
        met = {_NOBODY, *people[people_of].tolist()}
        return inside[[person in met for person in people[inside].tolist()]]

    def _grow(self, table: Codes, seed: int, losses: Losses | None, k: int, merchants: int) -> list[int]:
        """The columns of a group within `table`; none where it has too few people or merchants.

        `losses` are of the seed with each column.
        """
        points, persons, shops = table[:AXES], table[_PERSON], table[_MERCHANT]
        low = high = points[:, seed : seed + 1]
        chosen, met, seen, lost = [seed], _without_none(persons[seed]), _without_none(shops[seed]), 0.0
        free = (persons != _NOBODY) & (persons != persons[seed])
        new_shop = (shops != _NOBODY) & (shops != shops[seed])
        while len(met) < k or len(seen) < merchants:
            if losses is None:
                losses = self._generaliser.losses(np.minimum(points, low), np.maximum(points, high))
            if len(met) >= k:
                eligible = new_shop
            elif merchants - len(seen) >= k - len(met) and (free & new_shop).any():
                eligible = free & new_shop
            else:
                eligible = free
            ranked = np.where(eligible, losses, _NEVER)
            best = int(ranked.argmin())
            if ranked[best] == _NEVER:
                return []
            chosen.append(best)
            met |= _without_none(persons[best])
            seen |= _without_none(shops[best])
            free &= persons != persons[best]
            new_shop &= shops != shops[best]
            point = points[:, best : best + 1]
            low, high = np.minimum(low, point), np.maximum(high, point)
            if losses[best] > lost:  # else what the others would lose is hardly another
                lost, losses = losses[best], None
        return chosen

    def _line(self, line: int) -> npt.NDArray[np.int64]:
        values: npt.NDArray[np.int64] = self._table[line, : len(self._rows)]
        return values


def _hash(name: str | None) -> int:
    """Another number for another name, but for one chance in 2^64; _NOBODY for none."""
    return _NOBODY if name is None else hash(name)


def _count(hashes: npt.NDArray[np.int64]) -> int:
    """How many different ones there are."""
    return len(set(hashes.tolist()) - {_NOBODY})


def _without_none(value: int | np.int64) -> set[int]:
    return set() if value == _NOBODY else {int(value)}
