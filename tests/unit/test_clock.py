"""Event times that lie too far after their record are refused."""

from datetime import datetime

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from models.times import epoch_ns
from streaming.clock import CLOCK_AHEAD, clock_error, surely_not_ahead
from tests.messages import record
from tests.strategies import moments

MAX_SKEW_S = 300.0


@pytest.mark.parametrize(
    ("ahead_ms", "refused", "why"),
    [
        (-86_400_000, False, "an old event arrives late: that is what event time is for"),
        (0, False, "at the same time"),
        (299_999, False, "a clock that runs a little ahead"),
        (300_000, False, "exactly at the limit"),
        (300_001, True, "above it"),
        (10**13, True, "a phone in the year 2341"),
    ],
)
def test_a_clock_may_run_ahead_so_far(ahead_ms: int, *, refused: bool, why: str) -> None:
    """A fix from the future would stay the latest one for good."""
    record_time_ms = 1_711_972_800_000
    error = clock_error((record_time_ms + ahead_ms) * 10**6, record_time_ms, MAX_SKEW_S)
    assert (error is not None) is refused, why


def test_the_reason_says_how_far_and_which_setting() -> None:
    """An operator sees at once whether the phone or the limit is wrong."""
    error = clock_error(1_000_000 * 10**9, 0, MAX_SKEW_S)
    assert error is not None
    assert error.reason_code == CLOCK_AHEAD == "clock_ahead"
    assert "1000000 s after the record's timestamp" in error.reason
    assert "300 s (max_clock_skew_s)" in error.reason


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1))
def test_any_two_times_can_be_compared(event_time_ns: int, record_time_ms: int) -> None:
    """Refused or not, but never an exception that stops the worker."""
    refused = clock_error(event_time_ns, record_time_ms, MAX_SKEW_S) is not None
    ahead_ns = event_time_ns - record_time_ms * 10**6
    rounding_ns = 10_000 + abs(ahead_ns) * 1e-9
    if abs(ahead_ns - MAX_SKEW_S * 1e9) > rounding_ns:
        assert refused == (ahead_ns > MAX_SKEW_S * 1e9)


@given(moments(), st.lists(st.integers(-1, 2**63 - 1) | st.integers(0, 2**42), min_size=1, max_size=4))
def test_what_surely_is_not_ahead_is_not(moment: datetime, record_times_ms: list[int]) -> None:
    """The quick look may send an event on to the exact one, and never past it."""
    events = [(TP("t", 0), record(timestamp_ms=ms), None) for ms in record_times_ms]
    if moment <= surely_not_ahead(events, MAX_SKEW_S):
        assert all(clock_error(epoch_ns(moment), ms, MAX_SKEW_S) is None for ms in record_times_ms)


def test_the_quick_look_spares_what_is_at_the_limit() -> None:
    """Else it would spare nothing."""
    events = [(TP("t", 0), record(timestamp_ms=ms), None) for ms in (1_711_972_900_000, 1_711_972_800_000)]
    assert epoch_ns(surely_not_ahead(events, MAX_SKEW_S)) == (1_711_972_800_000 + 300_000) * 10**6
