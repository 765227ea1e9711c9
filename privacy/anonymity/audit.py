"""Do published rows keep what was promised? Counted anew, from the rows alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
from pycanon import anonymity

from models.anonymized_transaction import QUASI_IDENTIFIERS, SENSITIVE, AnonymizedTransaction

_GROUP = ["place", "group"]  # one column of them would do, but that pandas does not like


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found. `k_people` is None where nobody said whose the rows are.

    Rows with the same quasi-identifiers are one group here, however they were published. `k_rows` and `l`
    are pycanon's; `l_known` leaves rows without a merchant out. `t` is the greatest distance between a
    group's merchants and all rows' (half of the sum of the differences of shares: all merchants are equally
    far from each other). `conflicts` are tokens under which two different rows stand.
    """

    rows: int
    repeats: int
    conflicts: int
    groups: int
    k_rows: int
    k_people: int | None
    l: int  # noqa: E741 (its name in every paper)
    l_known: int
    t: float
    information_loss: float

    def problems(self, k: int, merchants: int, t: float | None = None) -> list[str]:
        """What is not as wanted, a sentence each."""
        found = []
        if self.conflicts:
            found.append(f"{self.conflicts:,} row tokens stand for two different rows each")
        if self.k_rows < k:
            found.append(f"a group has {self.k_rows} rows, fewer than k = {k}")
        if self.k_people is not None and self.k_people < k:
            found.append(f"a group has {self.k_people} different people, fewer than k = {k}")
        if (least := min(self.l, self.l_known)) < merchants:
            found.append(f"a group has {least} different merchants, fewer than l = {merchants}")
        if t is not None and self.t > t:
            found.append(
                f"the merchants of a group are {self.t:.3f} from those of all rows, further than t = {t}"
            )
        return found


def audit(published: Iterable[AnonymizedTransaction], people: Mapping[str, str] | None = None) -> Audit:
    """Audit rows; `people` has the person of each row token, none or an empty one where nobody knows.

    A repeat of a row counts once. Raises ValueError where there is no row.
    """
    rows: dict[str, AnonymizedTransaction] = {}
    conflicts, total = set(), 0
    for row in published:
        total += 1
        if rows.setdefault(row.row_token, row) != row:
            conflicts.add(row.row_token)
    if not rows:
        raise ValueError("there is no row")
    groups: defaultdict[tuple[object, ...], list[AnonymizedTransaction]] = defaultdict(list)
    for row in rows.values():
        groups[tuple(getattr(row, name) for name in QUASI_IDENTIFIERS)].append(row)
    table = pd.DataFrame(
        [
            (row.place, str(number), row.merchant or "")
            for number, group in enumerate(groups.values())
            for row in group
        ],
        columns=[*_GROUP, SENSITIVE],
    )
    return Audit(
        rows=len(rows),
        repeats=total - len(rows),
        conflicts=len(conflicts),
        groups=len(groups),
        k_rows=int(anonymity.k_anonymity(table, _GROUP)),
        k_people=None if people is None else min(_people(group, people) for group in groups.values()),
        l=int(anonymity.l_diversity(table, _GROUP, [SENSITIVE])),
        l_known=min(len({row.merchant for row in group if row.merchant}) for group in groups.values()),
        t=_closeness(groups.values()),
        information_loss=sum(row.information_loss for row in rows.values()) / len(rows),
    )


def _people(group: Iterable[AnonymizedTransaction], people: Mapping[str, str]) -> int:
    return len({person for row in group if (person := people.get(row.row_token))})


def _closeness(groups: Iterable[Iterable[AnonymizedTransaction]]) -> float:
    """t, as pycanon has it; it takes minutes where this takes milliseconds."""
    counts = [Counter(row.merchant or "" for row in group) for group in groups]
    overall: Counter[str] = Counter()
    for group in counts:
        overall.update(group)
    shares = {merchant: count / overall.total() for merchant, count in overall.items()}

    def distance(group: Counter[str]) -> float:
        size = group.total()
        there = sum(abs(count / size - shares[merchant]) for merchant, count in group.items())
        elsewhere = 1 - sum(shares[merchant] for merchant in group)
        return (there + elsewhere) / 2

    return max(map(distance, counts))
