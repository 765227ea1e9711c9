"""What is published of an hour, when, and what it costs. The noise itself: test_noisy.py."""

from datetime import UTC, datetime

import pytest

from app.public_statistics import Plan, due_hour_ms, statistics_of
from privacy.bounded import Bounds
from sketches.book import HOUR_MS
from sketches.tally import OTHERS, Tally

PLAN = Plan(
    epsilon_per_hour=900.0,  # next to no noise: what is said must be what was counted
    epsilon_per_day=10_000.0,
    lag_ms=600_000,
    bounds=Bounds(rows_per_person=3, most_amount=500.0),
    categories=("Fuel", "Travel"),
)
NOON_MS = 1_711_972_800_000


def rows(*hours_ms: int) -> dict[bytes, bytes]:
    """A partition with transactions in these hours."""
    return {f"public/{hour_ms:016d}".encode(): b"" for hour_ms in hours_ms}


def test_hours_are_due_one_after_the_other_when_they_are_over() -> None:
    """Never one that was passed over, nor one whose decisions may still change."""
    parts = [rows(NOON_MS, NOON_MS + HOUR_MS), rows(NOON_MS - HOUR_MS, NOON_MS + 2 * HOUR_MS)]
    long_after_ms = NOON_MS + 10 * HOUR_MS
    assert due_hour_ms(parts, 0, long_after_ms, PLAN) == NOON_MS - HOUR_MS
    assert due_hour_ms(parts, NOON_MS, long_after_ms, PLAN) == NOON_MS
    assert due_hour_ms(parts, NOON_MS + 3 * HOUR_MS, long_after_ms, PLAN) is None
    end_ms = NOON_MS + HOUR_MS
    assert due_hour_ms(parts, NOON_MS, end_ms + PLAN.lag_ms - 1, PLAN) is None
    assert due_hour_ms(parts, NOON_MS, end_ms + PLAN.lag_ms, PLAN) == NOON_MS
    assert due_hour_ms([], 0, long_after_ms, PLAN) is None


def test_an_hour_names_declared_categories_only_and_all_of_them() -> None:
    """One that nobody used is there with about nothing; one that is not declared is among the others."""
    tally = Tally()
    for number in range(1000):
        tally.count("flagged" if number % 10 == 0 else "cleared")
        tally.count_word("category", "Fuel" if number % 2 else OTHERS)
        tally.add_amounts([12.5])
    answer, record = statistics_of(tally, NOON_MS, PLAN)
    assert (answer.epsilon, record.epsilon) == (900.0, 900.0)
    assert record.hour == datetime(2024, 4, 1, 12, tzinfo=UTC)
    assert record.categories.keys() == {"Fuel", "Travel", OTHERS}
    for said, exact in (
        (record.verdicts["flagged"], 100),
        (record.verdicts["cleared"], 900),
        (record.verdicts["no_location"], 0),
        (record.categories["Fuel"], 500),
        (record.categories["Travel"], 0),
        (record.amount, 12_500),
    ):
        assert said.low <= said.value <= said.high
        assert said.value == pytest.approx(exact, abs=60)
