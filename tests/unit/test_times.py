"""Times on the wire become epoch nanoseconds. Expected seconds are those of `date -u -d TEXT +%s`."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given

from models.times import checked_utc, epoch_ns, parse_time, utc_datetime
from tests.strategies import moments

TEN_O_CLOCK_US = 1_711_965_600_000_000  # 2024-04-01T10:00:00Z


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2024-04-01 10:00:00", TEN_O_CLOCK_US),  # the paper's phones; UTC
        ("2024-04-01T10:00:00Z", TEN_O_CLOCK_US),
        ("2024-04-01T10:00Z", TEN_O_CLOCK_US),  # Java leaves seconds out where they are zero
        ("2024-04-01T10:00", TEN_O_CLOCK_US),
        ("2024-04-01T15:30:00+05:30", TEN_O_CLOCK_US),
        ("2024-04-01T03:00:00-07:00", TEN_O_CLOCK_US),
        ("2024-04-01T03:00:00-0700", TEN_O_CLOCK_US),
        ("2024-04-01T10:00:00-00:00", TEN_O_CLOCK_US),
        ("20240401T100000Z", TEN_O_CLOCK_US),  # basic format
        ("2024-04-01T10:00:00.5Z", TEN_O_CLOCK_US + 500_000),
        ("2024-04-01T10:00:00,5Z", TEN_O_CLOCK_US + 500_000),  # ISO 8601 prefers the comma
        ("2024-04-01T10:00:00.000250Z", TEN_O_CLOCK_US + 250),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("2000-02-29T00:00:00Z", 951_782_400_000_000),  # a leap year, though divisible by 100
    ],
)
def test_an_iso_8601_time_is_read_as_utc_where_no_zone_is_given(text: str, microseconds: int) -> None:
    """Producers write every form that the standard knows."""
    assert epoch_ns(parse_time(text)) == microseconds * 1000


@pytest.mark.parametrize(
    "text",
    [
        "2024-04-01",  # midnight is nobody's guess to make
        "20240401",
        "2024-W14-1",
        "2024-02-30 10:00:00",
        "2023-02-29T10:00:00Z",
        "2024-04-01T24:00:01",
        "2024-04-01T23:59:60Z",  # Python knows no leap seconds
        "2024-04-01T10:00:00+24:00",
        "1711965600",
        "",
        "yesterday at noon",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """A date alone, a day that is not in the calendar, a number."""
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)


@given(moments())
def test_epoch_nanoseconds_are_exact_and_come_back(moment: datetime) -> None:
    """A float of seconds would not hold them: it is exact only to some 256 ns."""
    assert utc_datetime(epoch_ns(moment)) == moment
    assert epoch_ns(moment + timedelta(microseconds=1)) == epoch_ns(moment) + 1000
    assert -(2**63) <= epoch_ns(moment) < 2**63


def test_a_zone_moves_the_clock_not_the_moment() -> None:
    """The same instant in three zones."""
    utc = datetime(2024, 4, 1, 10, tzinfo=UTC)
    east, west = (utc.astimezone(timezone(timedelta(hours=h))) for h in (14, -12))
    without = utc.replace(tzinfo=None)
    for moment in (utc, east, west, without):
        assert epoch_ns(moment) == TEN_O_CLOCK_US * 1000
        assert (checked_utc(moment, "Time"), checked_utc(moment, "Time").tzinfo) == (utc, UTC)


@pytest.mark.parametrize("year", [1, 1600, 1677, 2262, 9999])
def test_a_year_whose_nanoseconds_may_not_fit_64_bits_is_refused(year: int) -> None:
    """Tables hold nanoseconds in 64 bits: a larger number would stop the worker, not the record."""
    with pytest.raises(ValueError, match="Time is not within the years 1678 to 2261"):
        checked_utc(datetime(year, 3, 1, tzinfo=UTC), "Time")
