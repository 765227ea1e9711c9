"""Does chance do what it should? Chi-square, for tests with fixed seeds."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from math import sqrt
from typing import TypeVar

_Outcome = TypeVar("_Outcome", bound=Hashable)


def assert_follows(outcomes: Iterable[_Outcome], chances: Mapping[_Outcome, float]) -> None:
    """Fail where outcomes are unlike their chances, which must all be there and sum to 1.

    Pearson's statistic has the mean df and the variance 2 df: five standard deviations are allowed, which a
    right sampler exceeds once in thousands of seeds, and the seeds are fixed.
    """
    counts = Counter(outcomes)
    runs = counts.total()
    assert abs(sum(chances.values()) - 1) < 1e-9
    assert counts.keys() <= chances.keys()
    assert min(chances.values()) * runs >= 5, "too few runs for chi-square"
    statistic = sum((counts[each] - runs * p) ** 2 / (runs * p) for each, p in chances.items())
    df = len(chances) - 1
    assert statistic < df + 5 * sqrt(2 * df)
