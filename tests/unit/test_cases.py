"""The docket that is made of rows is the one that was there before."""

from datetime import UTC, datetime
from math import inf

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from detection.docket import Docket, case_key
from models.case import Case
from models.decision import Decision
from models.judgement import Judgement
from streaming.layout import StructLayout
from tables.cases import docket_of
from tests.messages import read_transaction, transaction_message

DECISION = Decision.of(
    read_transaction(transaction_message()),
    Judgement.without_location(reason="device_never_seen", profile="envelope", profile_version=1),
    stage="provisional",
    revision=1,
    card_token=None,
    user_token=None,
    received_ms=1,
)


def row(deadline_ms: int, *, is_open: bool) -> bytes:
    """A row of the table."""
    case = Case(is_open, 0, deadline_ms, msgspec.json.encode(DECISION), "1111" if is_open else None)
    return StructLayout(Case).encode(case)


def all_due(docket: Docket) -> list[bytes]:
    """Keys of the cases that are due, in order, and closed."""
    due = []
    for each in docket.due(most_open=1000, oldest_s=inf):
        due.append(each.key)
        docket.close(each.key, each.device, each.case.deadline_ms, now_s=0.0)
    return due


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=20), st.integers(0, 1200))
def test_open_cases_are_due_and_closed_ones_forgotten_by_their_deadlines(
    cases: list[tuple[int, bool]], now_ms: int
) -> None:
    """Whatever the order of the rows."""
    keys = [case_key(b"phone", f"t-{number}") for number in range(len(cases))]
    docket = docket_of(
        (key, row(deadline_ms, is_open=is_open))
        for key, (deadline_ms, is_open) in zip(keys, cases, strict=True)
    )
    assert len(docket) == sum(is_open for _, is_open in cases)
    assert all(key in docket for key in keys)
    for each in docket.all_open():
        assert each.decision == DECISION
        assert each.is_stale, "locations may have come since it was judged"
        assert each.since < datetime(2024, 4, 1, tzinfo=UTC) < each.until
    docket.time.observe(b"phone", now_ms)
    forgotten = {key for key, (ms, is_open) in zip(keys, cases, strict=True) if ms < now_ms and not is_open}
    assert set(docket.forgotten(keep_ms=0, now_s=float("inf"))) == forgotten
    due = {key for key, (ms, is_open) in zip(keys, cases, strict=True) if ms < now_ms and is_open}
    assert set(all_due(docket)) == due
