"""Noise is what was declared, hides one person, and says how large it is."""

from collections import Counter
from math import exp, nan, sqrt
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.bounded import (
    Bounds,
    count_and_deviation_cents,
    counts,
    deviation_sensitivity_cents,
    first_of_each,
    sum_cents,
    sum_sensitivity_cents,
)
from privacy.noisy import noisy_count, noisy_counts, noisy_mean, noisy_sum, noisy_tallies
from tests.chi_square import assert_follows

T = TypeVar("T")
DRAWS = 3000

people = st.sampled_from("abcde")
amounts = st.floats(allow_nan=True, allow_infinity=True)
categories = st.sampled_from(["x", "y", "z", "undeclared"])
bounds = st.builds(
    Bounds, rows_per_person=st.integers(1, 3), least_amount=st.floats(-50, 0), most_amount=st.floats(0, 100)
)


def without(person: str, rows: list[tuple[str, T]]) -> list[tuple[str, T]]:
    """The neighbour that lacks a person."""
    return [row for row in rows if row[0] != person]


@given(st.lists(st.tuples(people, categories), max_size=30), bounds)
def test_a_person_changes_counts_by_no_more_than_was_declared(
    rows: list[tuple[str, str]], limits: Bounds
) -> None:
    """Over all categories together, however many rows the person has."""
    with_a, without_a = (counts(each, ("x", "y", "z"), limits) for each in (rows, without("a", rows)))
    assert sum(abs(p - q) for p, q in zip(with_a, without_a, strict=True)) <= limits.rows_per_person


@given(st.lists(st.tuples(people, amounts), max_size=30), bounds)
def test_a_person_changes_sums_by_no_more_than_was_declared(
    rows: list[tuple[str, float]], limits: Bounds
) -> None:
    """Whatever the amounts: what is no number, or beyond the limits, counts as a limit."""
    neighbour = without("a", rows)
    assert abs(sum_cents(rows, limits) - sum_cents(neighbour, limits)) <= sum_sensitivity_cents(limits)
    (n, cents), (other_n, other_cents) = (
        count_and_deviation_cents(each, limits) for each in (rows, neighbour)
    )
    assert abs(n - other_n) <= limits.rows_per_person
    assert abs(cents - other_cents) <= deviation_sensitivity_cents(limits)


def test_a_category_that_is_declared_twice_is_refused() -> None:
    """A person would be counted in both, and the noise is for one."""
    with pytest.raises(ValueError, match="twice"):
        noisy_counts([], ["x", "x"], Bounds(rows_per_person=1), 1.0)


def test_the_bounds_are_as_tight_as_they_say() -> None:
    """A test that holds for any noise would hold for none: this person changes the sum by all of it."""
    limits = Bounds(rows_per_person=2, least_amount=-5, most_amount=20)
    rows = [("a", 1e9), ("a", 1e9), ("a", 1e9), ("b", nan), ("b", -7.0)]
    assert (
        sum_cents(rows, limits) - sum_cents(without("a", rows), limits)
        == sum_sensitivity_cents(limits)
        == 4000
    )
    assert sum_cents(without("a", rows), limits) == -1000
    assert list(first_of_each([("a", 1), ("b", 2), ("a", 3), ("a", 4)], 2)) == [1, 2, 3]


def test_noise_follows_the_discrete_laplace_distribution() -> None:
    """P(n) = (1 - q) / (1 + q) q^|n| with q = e^(-ε/m): Ghosh et al. 2009. Of OpenDP, as we set it up."""
    epsilon, limits = 1.0, Bounds(rows_per_person=2)
    drawn = noisy_counts([], [str(n) for n in range(DRAWS)], limits, epsilon).numbers.values()
    q, edge = exp(-epsilon / 2), 8
    chances = {n: (1 - q) / (1 + q) * q ** abs(n) for n in range(-edge + 1, edge)}
    chances |= {sign * edge: q**edge / (1 + q) for sign in (-1, 1)}
    assert_follows((max(-edge, min(edge, round(each.value))) for each in drawn), chances)


def test_the_interval_holds_in_95_of_100_times() -> None:
    """And not in all of them: it is no wider than it must be. Five standard deviations of 3,000 draws."""
    limits = Bounds(rows_per_person=5)
    rows = [(str(n), "x") for n in range(40)]
    drawn = noisy_counts(rows, ["x", *map(str, range(DRAWS))], limits, 0.5).numbers
    truth = Counter(x=40)
    misses = sum(not each.low <= truth[name] <= each.high for name, each in drawn.items())
    expected = 0.05 * DRAWS
    assert abs(misses - expected) <= 5 * sqrt(expected) + 0.01 * DRAWS  # whole numbers do not hit 5 % exactly


def test_neighbours_cannot_be_told_apart_by_more_than_epsilon() -> None:
    """Of the answers to both, the odds of none differ by more than e^ε, and some do by about as much.

    "a" has more rows than may count. Margins: five standard deviations of each frequency.
    """
    epsilon, limits = 1.0, Bounds(rows_per_person=3)
    rows = [("a", "x")] * 9 + [("b", "x")]
    answers = [answers_to(rows, limits, epsilon), answers_to(without("a", rows), limits, epsilon)]
    ratios = []
    for value in range(-3, 8):
        n, other = (each[value] for each in answers)
        assert n - 5 * sqrt(n) <= exp(epsilon) * (other + 5 * sqrt(other) + 25), value
        assert other - 5 * sqrt(other) <= exp(epsilon) * (n + 5 * sqrt(n) + 25), value
        ratios.append(max(n / max(other, 1), other / max(n, 1)))
    assert max(ratios) > exp(epsilon / 2)


def answers_to(rows: list[tuple[str, str]], limits: Bounds, epsilon: float) -> Counter[int]:
    """How often each answer comes to the question how many rows are of category x."""
    [exact] = counts(rows, ["x"], limits)
    drawn = noisy_tallies({str(n): exact for n in range(DRAWS)}, limits, epsilon).numbers.values()
    return Counter(round(each.value) for each in drawn)


def test_answers_are_about_what_was_counted() -> None:
    """With a budget that leaves little noise."""
    limits = Bounds(rows_per_person=1, most_amount=100)
    rows = [(str(n), 10.25) for n in range(1000)]
    assert noisy_count((person for person, _ in rows), limits, 100).numbers["count"].value == 1000
    total = noisy_sum(rows, limits, 100).numbers["sum"]
    assert total.low < total.value < total.high
    assert total.value == pytest.approx(10_250, abs=50)
    mean = noisy_mean(rows, limits, 100)
    assert mean.numbers["mean"].value == pytest.approx(10.25, abs=0.1)
    assert mean.numbers["mean"].low <= 10.25 <= mean.numbers["mean"].high
    assert mean.numbers["count"].value == 1000
    assert mean.epsilon == 100


def test_a_mean_of_nobody_says_nothing() -> None:
    """All that is known are the limits."""
    mean = noisy_mean([], Bounds(rows_per_person=1, most_amount=80), 0.1).numbers["mean"]
    assert (mean.low, mean.high) == (0, 80)
    assert 0 <= mean.value <= 80


@pytest.mark.parametrize(
    "limits",
    [
        {"rows_per_person": 0},
        {"rows_per_person": 1, "least_amount": 2, "most_amount": 1},
        {"rows_per_person": 1, "most_amount": nan},
        {"rows_per_person": 1, "most_amount": float("inf")},
    ],
)
def test_bounds_that_bound_nothing_are_refused(limits: dict[str, float]) -> None:
    """Noise for them would be without end."""
    with pytest.raises(ValueError, match=r"wanted|no limits"):
        Bounds(**limits)  # type: ignore[arg-type]  # nan is the point


def test_the_interval_of_a_mean_holds_at_least_in_95_of_100_times() -> None:
    """It is the worst of two intervals, so it holds more often than it says. Five standard deviations."""
    limits = Bounds(rows_per_person=1, least_amount=5, most_amount=60)
    rows = [(str(n), 10.0 + n % 30) for n in range(90)]
    truth, draws = 24.5, 200
    means = [noisy_mean(rows, limits, 1.0).numbers["mean"] for _ in range(draws)]
    misses = sum(not each.low <= truth <= each.high for each in means)
    assert misses <= 0.05 * draws + 5 * sqrt(0.05 * draws)
    assert all(5 <= each.low <= each.value <= each.high <= 60 for each in means)
