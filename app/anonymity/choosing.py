"""What each k would cost and gain on the rows that there are, and which one is the knee."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from msgspec.structs import replace

from app.anonymity.offline import outcomes_of
from privacy.anonymity.anonymizer import Anonymizer, Released, Target
from privacy.anonymity.generaliser import Generaliser
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.knee import knee
from privacy.anonymity.risk import Model, Scores, scores_of
from privacy.anonymity.row import Row
from privacy.anonymity.tally import Tally

_KS: Final = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200)
_SEED: Final = 1  # equal rows draw equal curves; nothing of them is published


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one k gives."""

    k: int
    scores: Scores
    loss: float
    suppressed_share: float

    def score(self, model: Model) -> float:
        """The score by one model."""
        score: float = getattr(self.scores, model)
        return score


def points_of(rows: Sequence[Row], hierarchies: Hierarchies, target: Target, most: int) -> Iterator[Point]:
    """A point for each k up to `most`, as long as anything can be published; all but k is as in `target`."""
    generaliser, rng = Generaliser(hierarchies), Random(_SEED)  # noqa: S311
    for k in (k for k in _KS if k <= most):
        tally, released = Tally(), []
        for outcome in outcomes_of(rows, Anonymizer(hierarchies, replace(target, k=k), rng)):
            tally.take([outcome])
            if isinstance(outcome, Released):
                released.append(outcome)
        if not released:
            return
        yield Point(
            k=k,
            scores=scores_of(released, rows, generaliser, rng),
            loss=tally.mean_loss,
            suppressed_share=tally.suppressed_share,
        )


def knee_of(points: Sequence[Point], model: Model) -> Point:
    """Where more k begins to cost more information than it gains privacy. Raises ValueError without one."""
    return points[knee([point.loss for point in points], [point.score(model) for point in points])]
