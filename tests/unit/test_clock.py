"""Event times that lie too far after their record are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.clock import CLOCK_AHEAD, clock_error

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
