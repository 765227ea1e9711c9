"""docs/sketches.md says what is so: bytes and errors of every sketch, and every question."""

import re
from functools import cache
from typing import Any

import pytest

from app.settings import PROJECT_DIR
from sketches.audits import LEDGER
from sketches.desk import APPROVED
from sketches.questions import QUESTIONS
from sketches.tally import Tally
from tests.decision_stream import chunks, decisions, fixes
from tests.unit.test_ledger import BOOK, desk_of, feed

PAGE = (PROJECT_DIR / "docs" / "sketches.md").read_text()


def table(section: str) -> list[list[str]]:
    """The rows of a section's first table, without its head."""
    text = PAGE.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


ROWS: dict[str, list[str]] = {
    name: row for row in table("What is kept") for name in re.findall(r"`(\w+)`", row[0])
}
ENTRIES = {entry.name: entry for entry in BOOK.sketches if not entry.name.startswith(LEDGER)}


@cache
def filled() -> dict[str, list[Any]]:
    """The sketches of a desk that has seen some thousand transactions, by what they are."""
    desk = desk_of()
    feed(desk, list(chunks(decisions(4_000))))
    desk.take_locations("locations", fixes(2_000))
    found: dict[str, list[Any]] = {}
    for key, page in desk.notebooks.sketches._pages.items():
        found.setdefault(key.decode().partition("/")[0], []).append(page.sketch)
    return found


def test_every_sketch_is_in_the_table() -> None:
    """And nothing else is."""
    assert ROWS.keys() == {*ENTRIES, APPROVED}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_bytes_are_bounded_as_the_table_says(name: str) -> None:
    """By the sketch's own bound, and measured."""
    of, most, bytes_at_most = ROWS[name][1], int(ROWS[name][2]), int(ROWS[name][3].replace(",", ""))
    sketches = filled()[name]
    assert sketches[0].size_bound_bytes() == bytes_at_most
    assert 0 < max(len(sketch.to_bytes()) for sketch in sketches) <= bytes_at_most
    if name in ENTRIES:
        entry = ENTRIES[name]
        assert most == entry.most_keys + (entry.keep == "first" and entry.key_of is not None)
        assert of.split(",")[0].startswith(
            {"firsts": "transactions", "flags": "flagged", "finals": "final"}[entry.of]
        )


@pytest.mark.parametrize("name", sorted(ROWS))
def test_errors_are_promised_as_the_table_says(name: str) -> None:
    """A quantile's bound depends on the values: it is no more than that."""
    promised = max(sketch.error_bound() for sketch in filled()[name])
    told = float(ROWS[name][4].removesuffix(" %")) / 100
    if name in {"amounts", "speeds", "latencies"}:
        assert 0 < promised <= told
    else:
        assert promised == pytest.approx(told, abs=5.1e-5)


def test_views_are_bounded_as_the_text_says() -> None:
    """One number for both."""
    assert f"at most {Tally().size_bound_bytes():,} bytes each" in PAGE


def test_every_question_has_an_example() -> None:
    """That asks it."""
    rows = table("Queries")
    assert [row[0].strip("`") for row in rows] == list(QUESTIONS)
    for question, example, _ in rows:
        name = question.strip("`")
        assert f"query {name}" in example or (name == "accuracy" and "sketches accuracy" in example)


def test_the_ledger_judges_what_the_page_says() -> None:
    """Each sketch that an audit names, but for twins, by name."""
    named = {name for row in table("The accuracy ledger") for name in re.findall(r"`(\w+)`", row[0])}
    audited = {name for audit in BOOK.audits for name in audit.sketches}
    assert named <= audited | {APPROVED}
    without = {entry.name for entry in ENTRIES.values() if entry.name not in audited}
    assert without == {"category", "sample_by_category"}
