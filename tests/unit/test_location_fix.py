"""What is a location report and what is not."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from streaming.errors import RecordError
from tests.messages import ABSENT, as_json, location_message, read_location
from tests.strategies import location_messages

NOON_NS = 1_711_972_800_000_000_000  # date -u -d 2024-04-01T12:00:00Z +%s%N


def test_a_report_of_the_paper_is_read() -> None:
    """All fields that the phones of the paper send."""
    fix = read_location(
        {
            "MessageId": 17,
            "SessionId": "0b1c2d3e",
            "DeviceId": "0a1b-ü",
            "Time": "2024-04-01 12:00:00",
            "Latitude": 37.335816,
            "Longitude": -121.895130,
            "Altitude": 28.5,
            "Speed": 0.3325222134590149,
            "SpeedAccuracy": 0.6,
            "Bearing": 181.0,
            "BearingAccuracy": 20.0,
            "HorizontalAccuracy": 4.5,
            "VerticalAccuracy": 3.25,
        }
    )
    assert fix.key == "0a1b-ü".encode()
    assert fix.event_time_ns == NOON_NS
    assert fix.latest == LatestLocation(
        event_time=datetime(2024, 4, 1, 12, tzinfo=UTC),
        latitude_deg=37.335816,
        longitude_deg=-121.895130,
        speed_mps=0.3325222134590149,
        accuracy_m=4.5,
    )
    assert (fix.message_id, fix.session_id, fix.altitude_m, fix.bearing_deg) == (17, "0b1c2d3e", 28.5, 181.0)
    assert (fix.vertical_accuracy_m, fix.speed_accuracy_mps, fix.bearing_accuracy_deg) == (3.25, 0.6, 20.0)


@pytest.mark.parametrize("value", [ABSENT, None])
@pytest.mark.parametrize(
    "name",
    ["Altitude", "Speed", "Bearing", "HorizontalAccuracy", "VerticalAccuracy", "SpeedAccuracy", "SessionId"],
)
def test_an_optional_field_may_be_absent_or_null(name: str, value: Any) -> None:
    """Phones leave out what they do not know, or say null."""
    with_it = read_location(location_message(**{name: value}))
    assert with_it == read_location(location_message(**{name: ABSENT}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"DeviceId": ABSENT}, "Object missing required field `DeviceId`"),
        ({"Time": ABSENT}, "Object missing required field `Time`"),
        ({"Latitude": ABSENT}, "Object missing required field `Latitude`"),
        ({"Longitude": ABSENT}, "Object missing required field `Longitude`"),
        ({"DeviceId": None}, "Expected `str`, got `null` - at `$.DeviceId`"),
        ({"DeviceId": 5}, "Expected `str`, got `int` - at `$.DeviceId`"),
        ({"DeviceId": ""}, "Expected `str` of length >= 1 - at `$.DeviceId`"),
        ({"DeviceId": " \t "}, "DeviceId is blank"),
        ({"DeviceId": "\u00a0"}, "DeviceId is blank"),  # a no-break space is blank, too
        ({"DeviceId": "x" * 257}, "Expected `str` of length <= 256 - at `$.DeviceId`"),
        ({"Time": "2024-04-01"}, "Time is not a time: wanted ISO 8601, such as 2024-04-01T10:00:00Z"),
        ({"Time": "2024-02-30 12:00:00"}, "Time is not a time"),
        ({"Time": ""}, "Time is not a time"),
        ({"Time": 1711972800}, "Expected `datetime`, got `int` - at `$.Time`"),
        ({"Time": "0001-01-01T00:00:00Z"}, "Time is not within the years 1678 to 2261"),  # Go's zero time
        ({"Time": "0001-01-01 00:00"}, "Time is not within the years"),  # and through the repair
        ({"Time": "9999-12-31T23:59:59.9999999"}, "Time is not"),  # rounded up there is no such year
        ({"Latitude": 90.0000001}, "Expected `float` <= 90.0 - at `$.Latitude`"),
        ({"Latitude": -91}, "Expected `float` >= -90.0 - at `$.Latitude`"),
        ({"Longitude": 180.1}, "Expected `float` <= 180.0 - at `$.Longitude`"),
        ({"Longitude": -180.1}, "Expected `float` >= -180.0 - at `$.Longitude`"),
        ({"Latitude": "37.3"}, "Expected `float`, got `str` - at `$.Latitude`"),  # phones send numbers
        ({"Latitude": True}, "Expected `float`, got `bool` - at `$.Latitude`"),
        ({"Speed": "fast"}, "Expected `float | null`, got `str` - at `$.Speed`"),
        ({"Speed": [1.0]}, "Expected `float | null`, got `array` - at `$.Speed`"),
        ({"MessageId": 1.5}, "Expected `int | str | null`, got `float` - at `$.MessageId`"),
    ],
)
def test_a_report_that_is_not_one_is_refused_with_the_field_named(
    changes: dict[str, Any], reason: str
) -> None:
    """The reason stands in the dead letter, for a person who looks for the producer's fault."""
    with pytest.raises(RecordError) as refused:
        read_location(location_message(**changes))
    assert refused.value.reason_code == "malformed"
    assert refused.value.reason.startswith(reason)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1_0", "01", ".5", "0x10", "+1"])
def test_a_number_that_json_does_not_know_is_refused(number: str) -> None:
    """Python's own json module would take some of them."""
    value = b'{"DeviceId":"d","Time":"2024-04-01 12:00:00","Latitude":%s,"Longitude":1}' % number.encode()
    with pytest.raises(RecordError, match="not JSON"):
        read_location(value)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 400, "9" * 5000])
@pytest.mark.parametrize("name", ["Latitude", "Speed"])
def test_a_number_beyond_floating_point_is_refused_with_the_field_named(number: str, name: str) -> None:
    """It must become neither infinity nor an exception that nobody expects."""
    value = as_json(location_message(**{name: "@"}))
    assert value is not None
    with pytest.raises(RecordError, match=rf"out of range - at `\$.{name}`"):
        read_location(value.replace(b'"@"', number.encode()))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the record has no value"),  # a tombstone where nothing is compacted
        (b"", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b'{"DeviceId": "\xff"}', "not JSON: not UTF-8"),
        (b'{"DeviceId": "\\ud800"}', "not JSON"),  # half of a surrogate pair has no UTF-8
        (b"[" * 3000, "not JSON: nested too deeply"),
        (b'{"DeviceId":' * 3000, "not JSON: nested too deeply"),
        (b"null", "Expected `object`, got `null`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{} {}", "not JSON"),
    ],
)
def test_a_value_that_is_no_json_object_is_refused_in_words(value: bytes | None, reason: str) -> None:
    """Python's own errors quote the bytes; ours do not."""
    with pytest.raises(RecordError) as refused:
        read_location(value)
    assert reason in refused.value.reason
    assert "\\x" not in refused.value.reason
    assert "0xff" not in refused.value.reason


def test_negative_speed_and_accuracy_are_kept_as_sent() -> None:
    """They mean "no valid reading"; what follows from that is the rule's business."""
    fix = read_location(location_message(Speed=-1, HorizontalAccuracy=-1.0)).latest
    assert (fix.speed_mps, fix.accuracy_m) == (-1.0, -1.0)


def test_a_field_that_nobody_knows_is_ignored() -> None:
    """Producers may add fields before we read them."""
    assert read_location(location_message(BatteryLevel=0.5, Wifi=None)) == read_location(location_message())


@given(location_messages())
def test_a_fix_fits_the_table_and_comes_back(message: dict[str, Any]) -> None:
    """Whatever a good report says can be written as a row and read again."""
    fix = read_location(message).latest
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fix), type=LatestLocation) == fix


@given(location_messages())
def test_the_repaired_spelling_means_the_same(message: dict[str, Any]) -> None:
    """A time that only the repair can read changes nothing else in a message."""
    strict = read_location(message)
    repaired: LocationFix = read_location(
        {**message, "Time": message["Time"].replace(":", "").replace("-", "")}
    )
    assert repaired == strict
