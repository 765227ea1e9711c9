"""Times on the wire: ISO 8601 text, UTC where no zone is given. Inside: epoch nanoseconds as an int."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # nanoseconds since the epoch fit 64 bits: 1677-09-21 to 2262-04-11


def epoch_ns(moment: datetime) -> int:
    """Nanoseconds since the epoch of `moment`; a time without a zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND * 1000


def utc_datetime(time_ns: int) -> datetime:
    """The UTC time `time_ns` nanoseconds after the epoch, cut to whole microseconds."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def check_time(moment: datetime, name: str) -> None:
    """Raise ValueError where the nanoseconds since the epoch of `moment` may not fit 64 bits.

    The year 1, which several languages write where there is no time, is the one to expect.
    """
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"{name} is not within the years {_FIRST_YEAR} to {_LAST_YEAR}")


def parse_time(text: str) -> datetime:
    """Read any ISO 8601 date and time, such as Java's "2024-04-01T10:00Z" without seconds.

    Raises ValueError where there is no time of day in it, or no such time in the calendar.
    """
    if len(text) <= len("2024-04-01"):
        raise ValueError("a date without a time of day")
    return datetime.fromisoformat(text)
