"""Event times that cannot be."""

from streaming.errors import RecordError

CLOCK_AHEAD = "clock_ahead"


def clock_error(event_time_ns: int, record_time_ms: int, max_skew_s: float) -> RecordError | None:
    """Refuse an event that claims to happen more than `max_skew_s` after its record was written."""
    ahead_ns = event_time_ns - record_time_ms * 1_000_000
    if ahead_ns <= max_skew_s * 1e9:
        return None
    return RecordError(
        CLOCK_AHEAD,
        f"the event time is {ahead_ns / 1e9:.0f} s after the record's timestamp; at most {max_skew_s:.0f} s"
        " (max_clock_skew_s) are taken for a clock that runs ahead",
    )
