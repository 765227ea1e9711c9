"""What an anonymizer has done so far: the figures of its objectives."""

from collections import Counter
from collections.abc import Iterable

from privacy.anonymity.anonymizer import Outcome, Released


class Tally:
    """Counts outcomes. `least_people` and `least_merchants` are those of the smallest groups: k and l."""

    def __init__(self) -> None:
        self.published = 0
        self.groups = 0
        self.joined = 0
        self.suppressed: Counter[str] = Counter()
        self.least_people: int | None = None
        self.least_merchants: int | None = None
        self._loss = 0.0

    def take(self, outcomes: Iterable[Outcome]) -> None:
        """Count what left."""
        for outcome in outcomes:
            if not isinstance(outcome, Released):
                self.suppressed[outcome.reason] += 1
                continue
            self.published += len(outcome.members)
            self._loss += len(outcome.members) * outcome.generalisation.information_loss
            if outcome.is_reuse:
                self.joined += 1
                continue
            self.groups += 1
            self.least_people = min(outcome.people, self.least_people or outcome.people)
            self.least_merchants = min(outcome.merchants, self.least_merchants or outcome.merchants)

    @property
    def rows(self) -> int:
        """Rows that left, published or not."""
        return self.published + self.suppressed.total()

    @property
    def mean_loss(self) -> float:
        """GLM of the published rows; 0 without any."""
        return self._loss / self.published if self.published else 0.0

    @property
    def suppressed_share(self) -> float:
        """Of the rows that left; 0 without any."""
        return self.suppressed.total() / self.rows if self.rows else 0.0
