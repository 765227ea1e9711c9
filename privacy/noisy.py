"""Counts, sums and means with noise (ε-differential privacy): no one person changes much what is said.

Whatever is said, having a person in the data or not changes its probability by a factor of e^ε at most. The
noise is discrete Laplace, on whole numbers (Ghosh, Roughgarden, Sundararajan: Universally Utility-Maximizing
Privacy Mechanisms, STOC 2009), drawn by OpenDP from secure randomness: it cannot be seeded.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import opendp.prelude as dp

from privacy.bounded import (
    Bounds,
    count_and_deviation_cents,
    counts,
    deviation_sensitivity_cents,
    sum_cents,
    sum_sensitivity_cents,
)

_OUTSIDE = 0.05  # of all times the noise is larger than the interval says
_ROUNDING = 1 + 1e-12  # so that a scale that is rounded never costs more than was asked for


class NoisyNumber(msgspec.Struct, frozen=True):
    """A number with noise. What it would be without noise lies in `low` to `high` in 95 % of all times.

    Without noise, but with the bounds: what they cut off is in no interval. It may be negative.
    """

    value: float
    low: float
    high: float


class Answer(msgspec.Struct, frozen=True):
    """Numbers by their names, and what they cost together."""

    numbers: dict[str, NoisyNumber]
    epsilon: float


def noisy_counts(
    rows: Iterable[tuple[str, str]], categories: Sequence[str], bounds: Bounds, epsilon: float
) -> Answer:
    """How many rows of (person, category) are of each of the declared categories."""
    exact = counts(rows, categories, bounds)
    return noisy_tallies(dict(zip(categories, exact, strict=True)), bounds, epsilon)


def noisy_tallies(tallies: Mapping[str, int], bounds: Bounds, epsilon: float) -> Answer:
    """The same of counts that somebody has kept, of declared categories.

    No person may have more than `rows_per_person` in all of them together: who counts must see to that.
    """
    noisy, within = _with_noise([*tallies.values()], bounds.rows_per_person, epsilon)
    return Answer({name: _number(n, within, 1) for name, n in zip(tallies, noisy, strict=True)}, epsilon)


def noisy_count(people: Iterable[str], bounds: Bounds, epsilon: float) -> Answer:
    """How many rows there are, each given by its person."""
    return noisy_counts(((person, "count") for person in people), ("count",), bounds, epsilon)


def noisy_sum(rows: Iterable[tuple[str, float]], bounds: Bounds, epsilon: float) -> Answer:
    """The sum of the amounts of (person, amount)."""
    return noisy_total(sum_cents(rows, bounds), bounds, epsilon)


def noisy_total(cents: int, bounds: Bounds, epsilon: float) -> Answer:
    """The same of a sum that somebody has kept, in cents; who adds up must see to the bounds."""
    [noisy], within = _with_noise([cents], sum_sensitivity_cents(bounds), epsilon)
    return Answer({"sum": _number(noisy, within, 100)}, epsilon)


def noisy_mean(rows: Iterable[tuple[str, float]], bounds: Bounds, epsilon: float) -> Answer:
    """The mean of the amounts of (person, amount), and their number: half of ε each.

    The mean lies within the bounds; where there may be no row at all, that is all its interval says.
    """
    count, deviation = count_and_deviation_cents(rows, bounds)
    half, outside = epsilon / 2, _OUTSIDE / 2  # both intervals hold in 95 % of all times
    [n], n_within = _with_noise([count], bounds.rows_per_person, half, outside)
    [cents], cents_within = _with_noise([deviation], deviation_sensitivity_cents(bounds), half, outside)

    def mean(cents: float, n: float) -> float:
        amount = (bounds.middle_cents + cents / n) / 100
        return min(max(amount, bounds.least_amount), bounds.most_amount)

    low, high = bounds.least_amount, bounds.most_amount
    if n > n_within:
        corners = [
            mean(c, m)
            for c in (cents - cents_within, cents + cents_within)
            for m in (n - n_within, n + n_within)
        ]
        low, high = min(corners), max(corners)
    return Answer(
        {"mean": NoisyNumber(mean(cents, max(n, 1)), low, high), "count": _number(n, n_within, 1)}, epsilon
    )


def _with_noise(
    exact: list[int], sensitivity: int, epsilon: float, outside: float = _OUTSIDE
) -> tuple[list[int], float]:
    """Numbers that one person changes by `sensitivity` in all, with noise; and how far that reaches."""
    if not 0 < epsilon < 1e3:
        raise ValueError(f"epsilon is {epsilon}; wanted more than 0, and about 1")
    dp.enable_features("contrib")  # what OpenDP has not proven formally yet
    scale = max(sensitivity, 1) / epsilon * _ROUNDING
    laplace = dp.m.make_laplace(
        dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"), scale=scale
    )
    if laplace.map(sensitivity) > epsilon:  # type: ignore[no-untyped-call]  # OpenDP has no types there
        raise AssertionError("the noise is too small for what it is said to hide")
    return laplace(exact), dp.discrete_laplacian_scale_to_accuracy(scale, outside)


def _number(noisy: int, within: float, parts: int) -> NoisyNumber:
    return NoisyNumber(noisy / parts, (noisy - within) / parts, (noisy + within) / parts)
