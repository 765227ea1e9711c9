"""What Amazon's quotas refuse is found before a call; a row has one identity, however often it is written."""

import math
from datetime import timedelta
from typing import Any

import pytest

from models.times import epoch_ns
from sinks.influxdb_lines import line_of_row
from sinks.reading import Reading
from sinks.timestream_records import MOST_AHEAD_MS, record_of_reading, record_of_row, why_refused
from tests.rows import row, rows

NOW_MS = epoch_ns(row(0).time_to) // 1_000_000
DAY_MS = 86_400_000


def reason_code(**changes: Any) -> str | None:
    """Why a row with these changes is refused by a table that keeps a day."""
    why = why_refused(record_of_row(row(0, **changes)), now_ms=NOW_MS, oldest_ms=NOW_MS - DAY_MS)
    return why[0] if why else None


def test_a_row_as_published_is_taken() -> None:
    """With and without what may be missing, and a place that is anywhere."""
    assert reason_code() is None
    assert reason_code(merchant=None, usual_place=None, place="") is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"merchant": "m" * 2049}, "too_large"),
        ({"merchant": "m" * 2000}, "too_large"),  # with the rest more than 2 KB
        ({"row_token": "t" * 2048}, "too_large"),
        ({"amount_to": math.nan}, "bad_value"),
        ({"amount_from": -math.inf}, "bad_value"),
        ({"time_from": row(0).time_from - timedelta(days=2)}, "expired"),
        ({"time_from": row(0).time_to + timedelta(milliseconds=MOST_AHEAD_MS + 1)}, "bad_value"),
    ],
)
def test_what_breaks_a_quota_is_refused(changes: dict[str, Any], code: str) -> None:
    """Amazon would refuse the whole call for some of these."""
    assert reason_code(**changes) == code


def test_a_record_needs_dimensions_and_measures_and_not_too_many() -> None:
    """Forms that no row has, but a reading could."""
    record = record_of_reading(Reading(device_id="d", time_ms=NOW_MS, fields={"Latitude": 1.0}))
    assert why_refused(record, now_ms=NOW_MS, oldest_ms=0) is None
    many = [{"Name": f"d{n}", "Value": "x"} for n in range(129)]
    parts: list[dict[str, Any]] = [{"Dimensions": many}, {"Dimensions": []}, {"MeasureValues": []}]
    for part in parts:
        assert why_refused({**record, **part}, now_ms=NOW_MS, oldest_ms=0)
    long = {"Name": "n" * 61, "Value": "x"}
    assert why_refused({**record, "Dimensions": [long]}, now_ms=NOW_MS, oldest_ms=0)


def test_a_point_has_the_same_time_whenever_it_is_written_and_lies_in_the_range_of_its_row() -> None:
    """Ten thousand rows that are alike in everything but their tokens are as many points."""
    alike = [row(0, row_token=each.row_token) for each in rows(10_000)]
    lines = [line_of_row(each) for each in alike]
    assert lines == [line_of_row(each) for each in alike]
    times = [int(line.rpartition(" ")[2]) for line in lines]
    assert len(set(times)) == len(alike)
    assert epoch_ns(row(0).time_from) <= min(times)
    assert max(times) < epoch_ns(row(0).time_to)


def test_a_number_that_is_not_finite_has_no_line() -> None:
    """InfluxDB would refuse the whole batch for it."""
    with pytest.raises(ValueError, match="not finite"):
        line_of_row(row(0, amount_to=math.inf))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "no reading"),
        ({"Latitude": "37.3"}, "Latitude is no number"),
        ({"Speed": True}, "Speed is no number"),
        ({"Encrypted": 7}, "Encrypted is no text"),
    ],
)
def test_a_message_without_a_reading_is_refused(message: dict[str, Any], why: str) -> None:
    """By the name of the field, without its value."""
    with pytest.raises(ValueError, match=why):
        Reading.of(message, "device", NOW_MS)
