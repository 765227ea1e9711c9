"""The audit finds what is wrong with published rows; risks, silhouettes and knees are as by hand."""

from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from pycanon import anonymity

from models.anonymized_transaction import AnonymizedTransaction
from privacy.anonymity.anonymizer import Released, Target
from privacy.anonymity.audit import audit
from privacy.anonymity.generaliser import Generaliser
from privacy.anonymity.knee import knee
from privacy.anonymity.risk import scores_of
from tests.anonymity import NOON, SMALL, outcomes, row

ROW = AnonymizedTransaction(
    row_token="t",
    place="9q",
    time_from=NOON,
    time_to=NOON,
    amount_from=0.0,
    amount_to=10.0,
    merchant_category="*",
    device_type="*",
    merchant="m",
    verdict="cleared",
    usual_place=None,
    group_size=3,
    information_loss=0.5,
)


def published(*merchants: str | None, place: str = "9q") -> list[AnonymizedTransaction]:
    """A group of rows with those merchants."""
    return [
        replace(ROW, row_token=f"{place}-{number}", merchant=merchant, place=place)
        for number, merchant in enumerate(merchants)
    ]


def test_a_group_below_k_is_found() -> None:
    """By its rows, and by its people where somebody says whose they are."""
    rows = [*published("a", "b", "c"), *published("a", "b", place="u0")]
    found = audit(rows)
    assert (found.rows, found.groups, found.k_rows, found.k_people, found.l) == (5, 2, 2, None, 2)
    assert found.problems(2, 2) == []
    assert found.problems(3, 2) == ["a group has 2 rows, fewer than k = 3"]
    one_person = {each.row_token: "the same" for each in rows}
    assert audit(rows, one_person).problems(2, 2) == ["a group has 1 different people, fewer than k = 2"]
    assert audit(rows, {}).k_people == 0


def test_a_group_below_l_is_found() -> None:
    """Two rows without a merchant are not two merchants, and not one."""
    assert audit(published("a", "a")).problems(2, 2) == [
        "a group has 1 different merchants, fewer than l = 2"
    ]
    assert audit(published("a", None)).problems(2, 2) == [
        "a group has 1 different merchants, fewer than l = 2"
    ]
    assert audit(published(None, None)).problems(2, 1) == [
        "a group has 0 different merchants, fewer than l = 1"
    ]


def test_a_repeat_counts_once_and_another_row_under_its_token_is_a_conflict() -> None:
    """Delivery is at least once, to the byte."""
    rows = published("a", "b")
    assert audit([*rows, rows[0]]).repeats == 1
    changed = audit([*rows, replace(rows[0], amount_to=20.0)])
    assert changed.conflicts == 1
    assert changed.problems(2, 2)[0] == "1 row tokens stand for two different rows each"


def test_no_row_is_no_anonymity() -> None:
    """An empty file must not look like a good one."""
    with pytest.raises(ValueError, match="there is no row"):
        audit([])


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["9q", "u0"])), min_size=1, max_size=12))
def test_t_is_the_one_of_pycanon(pairs: list[tuple[str, str]]) -> None:
    """It is our own only because that one takes minutes."""
    rows = [
        replace(ROW, row_token=str(number), merchant=merchant, place=place)
        for number, (merchant, place) in enumerate(pairs)
    ]
    table = pd.DataFrame([(*pair, "all") for pair in pairs], columns=["merchant", "place", "rest"])
    found = audit(rows)
    assert found.t == pytest.approx(anonymity.t_closeness(table, ["place", "rest"], ["merchant"]))
    assert (found.problems(1, 1, t=found.t / 2) == []) == (found.t == 0)


def test_risks_by_hand() -> None:
    """Three people in a group; six in the file could be in it; a fourth row is of one of them."""
    rows = [row(n) for n in range(3)]
    others = [row(n, person=f"person {n}") for n in range(10, 13)]
    [group] = outcomes(rows, Target(k=3, l=1, delta=9))
    assert isinstance(group, Released)
    scores = scores_of([group], [*rows, *others, row(20, person="person 0")], Generaliser(SMALL), Random(1))
    assert scores.prosecutor == pytest.approx(1 - 1 / 3)
    assert scores.journalist == pytest.approx(1 - 1 / 6)
    assert scores.marketer == pytest.approx(1 - 1 / 6)


def test_groups_that_are_far_apart_have_a_silhouette_of_one() -> None:
    """All that is lost is lost between them."""
    rows = [row(n) for n in range(3)] + [row(n, amount=60.0) for n in range(10, 13)]
    found = [each for each in outcomes(rows, Target(k=3, l=1, delta=9)) if isinstance(each, Released)]
    assert len(found) == 2
    assert scores_of(found, rows, Generaliser(SMALL), Random(1)).silhouette == 1.0
    assert scores_of(found[:1], rows, Generaliser(SMALL), Random(1)).silhouette == 0.0


def test_the_knee_is_furthest_from_the_line() -> None:
    """Of 1 / x, by hand; and of curves that have none."""
    costs = [1.0, 2.0, 3.0, 4.0]
    assert knee(costs, [0.0, 0.8, 0.9, 1.0]) == 1
    assert knee(costs, [0.0, 0.5, 0.9, 1.0]) == 2
    with pytest.raises(ValueError, match="three points"):
        knee([1.0, 2.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="there is no knee"):
        knee([1.0, 2.0, 1.0], [0.0, 0.5, 1.0])
