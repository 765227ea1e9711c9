"""Event times that cannot be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from streaming.chunk import Event
from streaming.errors import RecordError

CLOCK_AHEAD = "clock_ahead"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)


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


def surely_not_ahead(events: Sequence[Event], max_skew_s: float) -> datetime:
    """Return a time up to which no event of a chunk is ahead of its record, in UTC.

    To compare with it takes a tenth of `clock_error`'s time, which is left for the few that are later.
    """
    return latest_in_time(min([record.timestamp for _, record, _ in events], default=0), max_skew_s)


def latest_in_time(record_time_ms: int, max_skew_s: float) -> datetime:
    """Return the latest event time that is not ahead of a record, in UTC; NEVER after the year 9999."""
    try:
        return _EPOCH + timedelta(milliseconds=record_time_ms, seconds=max_skew_s)
    except OverflowError:
        return NEVER
