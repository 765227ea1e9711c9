"""What verdicts are worth where the truth is known, as ../shared/evaluation/score.py counts it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from models.decision import Decision
from models.judgement import Verdict
from sources.labels import Label

ByTransaction = Mapping[str, Verdict]
Labels = Mapping[str, Label]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The first and the last verdict on each transaction; grows with them, by some 250 bytes each."""

    first: dict[str, Verdict] = field(default_factory=dict)
    final: dict[str, Verdict] = field(default_factory=dict)

    def take(self, decision: Decision) -> None:
        """Take a decision, in the order in which they are written."""
        self.first.setdefault(decision.transaction_id, decision.verdict)
        self.final[decision.transaction_id] = decision.verdict


class Rates(msgspec.Struct, frozen=True):
    """How well the frauds are told from all the others; each from 0 to 1, and 0 where there is nothing."""

    precision: float
    recall: float
    false_positive_rate: float
    f1: float


class Category(msgspec.Struct, frozen=True):
    """The transactions of a category, and how many got the verdict that a perfect detector ends with."""

    count: int
    right: int


class Change(msgspec.Struct, frozen=True):
    """A transaction that two profiles end with another verdict on; one without a label has no `label`."""

    transaction_id: str
    label: Label | None
    before: Verdict | None
    after: Verdict | None


def rates(labels: Labels, verdicts: ByTransaction) -> Rates:
    """Rates over all labelled transactions; one without a verdict is not flagged."""
    caught = missed = wrong = legit = 0
    for transaction_id, label in labels.items():
        flagged = verdicts.get(transaction_id) == "flagged"
        if label.expected == "flagged":
            caught += flagged
            missed += not flagged
        else:
            wrong += flagged
            legit += 1
    precision, recall = caught / max(1, caught + wrong), caught / max(1, caught + missed)
    return Rates(
        precision=precision,
        recall=recall,
        false_positive_rate=wrong / max(1, legit),
        f1=2 * precision * recall / max(1e-9, precision + recall),
    )


def by_category(labels: Labels, verdicts: ByTransaction) -> dict[str, Category]:
    """How many of each category are right, by the category's name."""
    count: dict[str, int] = defaultdict(int)
    right: dict[str, int] = defaultdict(int)
    for transaction_id, label in labels.items():
        count[label.category] += 1
        right[label.category] += verdicts.get(transaction_id) == label.expected
    return {name: Category(count=count[name], right=right[name]) for name in sorted(count)}


def changes(before: ByTransaction, after: ByTransaction, labels: Labels) -> list[Change]:
    """The transactions whose verdict differs, in the order of their first decisions."""
    return [
        Change(
            transaction_id, labels.get(transaction_id), before.get(transaction_id), after.get(transaction_id)
        )
        for transaction_id in {**before, **after}
        if before.get(transaction_id) != after.get(transaction_id)
    ]
