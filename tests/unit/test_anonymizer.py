"""No undersized group is ever published, no row is lost, and none waits longer than it may."""

import os
from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.anonymity.anonymizer import Anonymizer, Released, Suppressed, Target
from privacy.anonymity.row import Row
from privacy.anonymity.tally import Tally
from tests.anonymity import (
    HIERARCHIES,
    NOON,
    SMALL,
    broken_groups,
    is_true,
    left,
    outcomes,
    published_rows,
    row,
    rows,
)


def targets() -> st.SearchStrategy[Target]:
    """Small ones."""
    return st.builds(
        Target, k=st.integers(1, 5), l=st.integers(1, 3), delta=st.integers(1, 12), mu=st.integers(1, 4)
    )


@settings(max_examples=50)
@given(rows(), targets())
def test_rows_that_look_alike_are_of_k_people_and_l_merchants(given_rows: list[Row], target: Target) -> None:
    """Whatever comes: few people, nobody's rows, no merchants, the ends of the Earth."""
    found = outcomes(given_rows, target)
    assert not broken_groups(found, target.k, target.l)


@settings(max_examples=50)
@given(rows(), targets())
def test_every_row_leaves_once(given_rows: list[Row], target: Target) -> None:
    """In a group, in one that it joins, or suppressed with a reason."""
    found = outcomes(given_rows, target)
    assert sorted(left(found)) == sorted(each.transaction_id for each in given_rows)


@settings(max_examples=50)
@given(rows(), targets())
def test_what_is_published_is_true(given_rows: list[Row], target: Target) -> None:
    """A row lies in the cell, the intervals and the families that are told of it, and keeps the rest."""
    for outcome in outcomes(given_rows, target):
        if isinstance(outcome, Released):
            assert all(is_true(each.row, outcome) for each in outcome.members)
            originals = {each.row.transaction_id: each.row for each in outcome.members}
            for published in published_rows(outcome):
                original = originals[published.row_token]
                assert (published.merchant, published.verdict) == (original.merchant, original.verdict)
                assert 0 <= published.information_loss <= 1


@settings(max_examples=50)
@given(rows(least=10, amounts=(1.0, 60.0)), targets())
def test_a_row_waits_for_delta_rows_at_most(given_rows: list[Row], target: Target) -> None:
    """Counted from the row itself; what is suppressed at once is not counted."""
    anonymizer = Anonymizer(SMALL, target, Random(1))
    gone: set[str] = set()
    for number, each in enumerate(given_rows):
        gone.update(left(anonymizer.take(each, 0)))
        assert len(anonymizer) <= target.delta
        if number >= target.delta:
            assert given_rows[number - target.delta].transaction_id in gone


@settings(max_examples=50)
@given(rows(least=5), st.integers(0, 50), targets())
def test_a_row_waits_for_the_time_limit_at_most(given_rows: list[Row], limit_ms: int, target: Target) -> None:
    """And no row that is younger leaves by itself."""
    target = msgspec.structs.replace(target, limit_ms=limit_ms, delta=100)
    anonymizer, all_found = Anonymizer(SMALL, target, Random(1)), []
    for now_ms, each in enumerate(given_rows):
        anonymizer.take(each, now_ms)
        before_ms = anonymizer.oldest_ms
        found = anonymizer.close_due(now_ms)
        assert anonymizer.oldest_ms is None or anonymizer.oldest_ms > now_ms - limit_ms
        assert not found or (before_ms is not None and before_ms <= now_ms - limit_ms)
        all_found += found
    assert not broken_groups(all_found, target.k, target.l)


def test_without_a_time_limit_nothing_is_due() -> None:
    """Offline, only rows count."""
    anonymizer = Anonymizer(SMALL, Target(k=1, l=1, delta=5), Random(1))
    anonymizer.take(row(), 0)
    assert anonymizer.close_due(10**12) == []


def test_one_person_is_one_however_often_they_buy() -> None:
    """K counts people, not rows."""
    found = outcomes([row(n, person="the same") for n in range(50)], Target(k=2, l=1, delta=10))
    assert {each.reason for each in found if isinstance(each, Suppressed)} == {"too_few_people"}
    assert len(found) == 50


def test_one_merchant_is_no_diversity() -> None:
    """Else who finds the group knows the merchant."""
    found = outcomes([row(n, merchant="the only one") for n in range(50)], Target(k=1, l=2, delta=10))
    assert {each.reason for each in found if isinstance(each, Suppressed)} == {"too_few_merchants"}


def test_rows_of_nobody_hide_among_others_and_hide_nobody() -> None:
    """Two rows without a person may be of one person."""
    nobodies = [row(n, person=None) for n in range(10)]
    target = Target(k=3, l=1, delta=50)
    assert all(isinstance(each, Suppressed) for each in outcomes(nobodies, target))
    [group] = outcomes([*nobodies, *(row(n) for n in range(20, 23))], target)
    assert isinstance(group, Released)
    assert (group.people, len(group.members)) == (3, 13)


def test_a_missing_merchant_is_published_as_such_and_is_no_merchant() -> None:
    """It adds nothing to l."""
    given_rows = [row(1, merchant=None), row(2, merchant="m"), row(3, merchant="m")]
    assert all(isinstance(each, Suppressed) for each in outcomes(given_rows, Target(k=2, l=2, delta=9)))
    [group] = outcomes(given_rows, Target(k=3, l=1, delta=9))
    assert isinstance(group, Released)
    assert [each.merchant for each in published_rows(group)] == [None, "m", "m"]


@pytest.mark.parametrize("amount", [-0.01, 100.0, 1e300, float("nan"), float("inf")])
def test_an_amount_outside_of_the_hierarchy_is_not_published(amount: float) -> None:
    """At once, and counted."""
    [found] = Anonymizer(SMALL, Target(k=1, l=1, delta=9), Random(1)).take(row(1, amount=amount), 0)
    assert isinstance(found, Suppressed)
    assert found.reason == "outside_hierarchies"


def test_a_group_is_of_those_who_are_near() -> None:
    """Three people here and three there do not become groups across the ocean."""
    here = [row(n) for n in range(3)]
    there = [row(n, latitude_deg=48.85, longitude_deg=2.35, amount=60.0) for n in range(10, 13)]
    mixed = [each for pair in zip(here, there, strict=True) for each in pair]
    groups = [each for each in outcomes(mixed, Target(k=3, l=1, delta=5)) if isinstance(each, Released)]
    assert [each.generalisation.place for each in groups] == ["9q9k", "u09t"]
    assert [each.generalisation.information_loss for each in groups] == [0.0, 0.0]


def test_a_row_joins_a_group_that_was_published() -> None:
    """With its generalisation to the letter, where it finds no company; one that covers it not is no help."""
    alone = [row(9, person="late"), row(10, person="late", amount=60.0)]
    group, joined, suppressed = outcomes([*(row(n) for n in range(3)), *alone], Target(k=3, l=1, delta=2))
    assert isinstance(group, Released)
    assert isinstance(joined, Released)
    assert joined.is_reuse
    assert joined.generalisation == group.generalisation
    assert [each.row.transaction_id for each in joined.members] == ["row-9"]
    assert isinstance(suppressed, Suppressed)


def test_the_end_takes_the_last_ones_into_a_group() -> None:
    """Five people and k = 3: two are not left alone."""
    [group] = outcomes([row(n) for n in range(5)], Target(k=3, l=1, delta=100))
    assert isinstance(group, Released)
    assert group.people == 5


def test_published_rows_stand_in_the_order_of_their_tokens() -> None:
    """Not in that of their coming."""
    tokens = ["e", "a", "d", "b", "c"]
    given_rows = [row(n, transaction_id=token) for n, token in enumerate(tokens)]
    [group] = outcomes(given_rows, Target(k=5, l=1, delta=100))
    assert isinstance(group, Released)
    assert [each.row_token for each in published_rows(group)] == sorted(tokens)


def test_a_row_in_a_traceback_is_a_token() -> None:
    """What it holds is exact."""
    assert repr(row(7)) == "Row('row-7')"


def test_no_group_is_too_small_among_skewed_people() -> None:
    """ANONYMITY_ROWS=1000000 for the long form: a few people make most of the rows, k = 10, l = 2."""
    count = int(os.environ.get("ANONYMITY_ROWS", "6000"))
    chance = np.random.default_rng(1)
    weights = np.arange(1, 3001) ** -1.2
    people = chance.choice(3000, size=count, p=weights / weights.sum()).tolist()
    shops = chance.zipf(1.5, size=count).tolist()
    places = chance.normal(0, 0.05, (count, 2)).tolist()
    amounts = chance.lognormal(3.5, 1, count).tolist()
    target, tally = Target(k=10, l=2, delta=1000), Tally()
    anonymizer = Anonymizer(HIERARCHIES, target, Random(1))
    seen, problems = 0, []
    for number in range(count):
        east, north = places[number]
        each = row(
            number,
            latitude_deg=37.33 + north,
            longitude_deg=-121.89 + east,
            time=NOON.fromtimestamp(NOON.timestamp() + number / 20, NOON.tzinfo),
            amount=amounts[number],
            person=f"p{people[number]}",
            merchant=f"m{shops[number]}",
        )
        found = (
            anonymizer.take(each, 0) if number < count - 1 else anonymizer.take(each, 0) + anonymizer.flush()
        )
        seen += len(left(found))
        tally.take(found)
        problems += broken_groups([o for o in found if isinstance(o, Released) and not o.is_reuse], 10, 2)
    assert not problems
    assert (seen, tally.rows) == (count, count)
    assert tally.least_people is not None
    assert tally.least_people >= 10
    assert (tally.least_merchants or 0) >= 2
    assert tally.suppressed_share < 0.01


def test_a_tally_adds_up() -> None:
    """Every row is in one figure."""
    given_rows = [*(row(n) for n in range(6)), row(6, amount=-5.0)]
    tally = Tally()
    tally.take(outcomes(given_rows, Target(k=3, l=1, delta=3)))
    assert tally.rows == 7
    assert tally.suppressed == Counter(outside_hierarchies=1)
    assert tally.published == 6
    assert tally.suppressed_share == pytest.approx(1 / 7)
    assert Tally().mean_loss == Tally().suppressed_share == 0.0


def test_all_tokens_of_a_group_are_made_for_the_same_moment() -> None:
    """A token names the key of its period: those of two periods would part the group."""
    given_rows = [row(n, time=NOON.replace(minute=n)) for n in range(4)]
    [group] = outcomes(given_rows, Target(k=4, l=1, delta=10))
    assert isinstance(group, Released)
    published = group.rows(lambda transaction_id, time_ms: f"{time_ms}:{transaction_id}")
    moments = {int(each.row_token.split(":")[0]) for _, each in published}
    assert moments == {int(published[0][1].time_from.timestamp() * 1000)}
    assert [each.row_token.split(":")[1] for _, each in published] == [
        member.transaction_id for member, _ in published
    ]
