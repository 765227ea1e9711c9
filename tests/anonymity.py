"""Rows to anonymize, and what is true of what was made of them, counted without the code that made it."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from app.anonymity.reading import hierarchies_of
from app.settings import Settings
from models.anonymized_transaction import QUASI_IDENTIFIERS, AnonymizedTransaction
from privacy.anonymity.anonymizer import Anonymizer, Outcome, Released, Target
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.row import Row

HIERARCHIES: Final = hierarchies_of(Settings())
SMALL_TOML: Final = """
place.characters = [4, 2, 0]
time = { step_s = 60, span_s = 600 }
amount.edges = [0, 10, 20, 50, 100]
device_type.handheld = ["mobile", "tablet"]
[merchant_category]
food = ["Groceries", "Restaurant"]
[merchant_category.leisure]
travel = ["Hotel", "Flight"]
fun = ["Cinema"]
"""
SMALL: Final = Hierarchies.of(tomllib.loads(SMALL_TOML))
NOON: Final = datetime(2024, 4, 1, 12, tzinfo=UTC)
_LETTERS: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
_FAMILIES: Final = {
    "food": {"groceries", "restaurant"},
    "travel": {"hotel", "flight"},
    "fun": {"cinema"},
    "leisure": {"hotel", "flight", "cinema"},
    "handheld": {"mobile", "tablet"},
}


def row(number: int = 0, **fields: Any) -> Row:
    """A row of its own person and merchant; `fields` are others."""
    values: dict[str, Any] = {
        "transaction_id": f"row-{number}",
        "latitude_deg": 37.33,
        "longitude_deg": -121.89,
        "time": NOON,
        "amount": 12.0,
        "merchant_category": "Groceries",
        "device_type": "mobile",
        "merchant": f"merchant {number}",
        "person": f"person {number}",
        "verdict": "cleared",
    }
    return Row(**(values | fields))


def rows(
    least: int = 0, most: int = 25, amounts: tuple[float, ...] = (-1.0, 0.0, 9.99, 10.0, 45.0, 99.0, 100.0)
) -> st.SearchStrategy[list[Row]]:
    """Rows of few people, who may come again and again, with few merchants; each with a token of its own."""
    one = st.fixed_dictionaries(
        {
            "latitude_deg": st.sampled_from([37.33, 37.9, -37.33, -90.0, 0.0, 90.0]),
            "longitude_deg": st.sampled_from([-121.89, -121.0, 2.35, -180.0, 0.0, 180.0]),
            "time": st.sampled_from([NOON + timedelta(seconds=s) for s in (-900, -1, 0, 59, 60, 400)]),
            "amount": st.sampled_from(amounts),
            "merchant_category": st.sampled_from(["Groceries", "CINEMA ", "Hotel", "Flight", "Zoo", None]),
            "device_type": st.sampled_from(["mobile", "tablet", None]),
            "merchant": st.sampled_from(["m1", "m2", "m3", "", None]),
            "person": st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6", None]),
        }
    )
    return st.lists(one, min_size=least, max_size=most).map(
        lambda found: [row(number, **fields) for number, fields in enumerate(found)]
    )


def published_rows(released: Released) -> list[AnonymizedTransaction]:
    """What is published; ids stand for tokens."""
    return [row for _, row in released.rows(lambda transaction_id, _time_ms: transaction_id)]


def outcomes(given: Iterable[Row], target: Target, hierarchies: Hierarchies = SMALL) -> list[Outcome]:
    """All that becomes of rows, the last ones at the end."""
    anonymizer = Anonymizer(hierarchies, target, Random(1))
    found = [outcome for each in given for outcome in anonymizer.take(each, 0)]
    return found + anonymizer.flush()


def left(found: Iterable[Outcome]) -> list[str]:
    """The tokens of all rows that left, published or not."""
    return [
        member.row.transaction_id
        for outcome in found
        for member in (outcome.members if isinstance(outcome, Released) else (outcome.member,))
    ]


def broken_groups(found: Sequence[Outcome], k: int, merchants: int) -> list[str]:
    """What is wrong with the groups, an undersized one above all; each group as its readers see it."""
    problems = []
    members: defaultdict[tuple[object, ...], list[Row]] = defaultdict(list)
    for outcome in found:
        if not isinstance(outcome, Released):
            continue
        published = published_rows(outcome)
        [shape] = {tuple(getattr(each, name) for name in QUASI_IDENTIFIERS) for each in published}
        own = [each.row for each in outcome.members]
        if outcome.is_reuse:
            if len(_people(members[shape])) < k:
                problems.append("a row joined a group that was none")
        elif len(_people(own)) < k or {each.group_size for each in published} != {len(_people(own))}:
            problems.append("a group has too few people of its own, or says a wrong number")
        members[shape] += own
    problems += [
        "rows that look alike have too few people or merchants"
        for group in members.values()
        if len(_people(group)) < k or len({each.merchant for each in group if each.merchant}) < merchants
    ]
    return problems


def is_true(original: Row, outcome: Released) -> bool:
    """Whether the generalisation of a row holds what the row was."""
    shape = outcome.generalisation
    south, north, west, east = cell(shape.place)
    return (
        south <= original.latitude_deg <= north
        and west <= original.longitude_deg <= east
        and shape.time_from <= original.time < shape.time_to
        and shape.amount_from <= original.amount < shape.amount_to
        and _is_in(original.merchant_category, shape.merchant_category)
        and _is_in(original.device_type, shape.device_type)
    )


def cell(name: str) -> tuple[float, float, float, float]:
    """South, north, west and east of a geohash, halved letter by letter."""
    south, north, west, east = -90.0, 90.0, -180.0, 180.0
    is_longitude = True
    for letter in name:
        for bit in f"{_LETTERS.index(letter):05b}":
            if is_longitude:
                middle = (west + east) / 2
                west, east = (middle, east) if bit == "1" else (west, middle)
            else:
                middle = (south + north) / 2
                south, north = (middle, north) if bit == "1" else (south, middle)
            is_longitude = not is_longitude
    return south, north, west, east


def _is_in(leaf: str | None, family: str) -> bool:
    if family == "*":
        return True
    if leaf is None:
        return family == "unknown"
    name = leaf.strip().lower()
    known = set().union(*_FAMILIES.values())
    return name in _FAMILIES.get(family, {family.lower()}) if name in known else family == "other"


def _people(group: Iterable[Row]) -> set[str]:
    return {each.person for each in group if each.person}
