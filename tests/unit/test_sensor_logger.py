"""What the Sensor Logger app sends becomes what the paper's phones send; what is none is told apart."""

import json
import math
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.location_fix import LocationFix
from sources.gateway.sensor_logger import Reading, read_push
from streaming.errors import RecordError

VALUES = {
    "altitude": 28.5,
    "speedAccuracy": -1,
    "bearingAccuracy": 7.5,
    "latitude": 37.3359035,
    "altitudeAboveMeanSeaLevel": 60.1,
    "bearing": -1,
    "horizontalAccuracy": 4.7,
    "verticalAccuracy": 3.5,
    "longitude": -121.8952828,
    "speed": 0.08960304409265518,
}
ENTRY = {"name": "location", "time": 1698501145514000000, "values": VALUES}
OTHER = {"name": "accelerometer", "time": 1698501144401773000, "values": {"x": 0.1, "y": "up", "z": None}}


def message(*entries: Any, **changes: Any) -> bytes:
    """A push with these entries."""
    pushed = {"messageId": 7, "sessionId": "s-1", "deviceId": "phone-1", "payload": list(entries), **changes}
    return json.dumps(pushed).encode()


def read(*entries: Any, **changes: Any) -> Reading:
    """Read one."""
    return read_push(message(*entries, **changes))


def test_a_location_has_the_names_of_the_paper_on_the_wire() -> None:
    """The time to the microsecond; negative means unknown and stays as it is."""
    (fix,) = read(ENTRY).fixes
    assert json.loads(msgspec.json.encode(fix)) == {
        "DeviceId": "phone-1",
        "Time": "2023-10-28T13:52:25.514000Z",
        "Latitude": 37.3359035,
        "Longitude": -121.8952828,
        "Altitude": 28.5,
        "Speed": 0.08960304409265518,
        "Bearing": -1.0,
        "HorizontalAccuracy": 4.7,
        "VerticalAccuracy": 3.5,
        "SpeedAccuracy": -1.0,
        "BearingAccuracy": 7.5,
        "MessageId": 7,
        "SessionId": "s-1",
    }
    assert msgspec.json.decode(msgspec.json.encode(fix), type=LocationFix) == fix


def test_text_for_numbers_is_the_same() -> None:
    """Some versions of the app send it."""
    as_text = {
        "name": "location",
        "time": str(ENTRY["time"]),
        "values": {name: str(value) for name, value in VALUES.items()},
    }
    assert read(as_text).fixes == read(ENTRY).fixes


def test_other_sensors_are_ignored_and_bad_entries_spoil_only_themselves() -> None:
    """Whatever the others hold; the entry is kept byte for byte."""
    bad = {"name": "location", "time": 1698501145514000000, "values": {"latitude": 91, "longitude": 0}}
    reading = read(OTHER, ENTRY, bad, {"nome": 1}, OTHER)
    assert (len(reading.fixes), reading.ignored) == (1, 2)
    assert [each.raw for each in reading.unreadable] == [json.dumps(bad).encode(), b'{"nome": 1}']
    assert "$.Latitude" in reading.unreadable[0].reason


def test_a_message_without_entries_is_one() -> None:
    """The app's test push."""
    assert read() == Reading(device_id="phone-1", fixes=[], unreadable=[], ignored=0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"time": 1698501145}, "nanoseconds"),
        ({"time": 1698501145514}, "nanoseconds"),
        ({"time": -1}, "nanoseconds"),
        ({"time": 10**30}, "beyond all years"),
        ({"time": 9.3e18}, "years 1678 to 2261"),
        ({"time": "now"}, "time is not a number"),
        ({"time": "inf"}, "nanoseconds"),
        ({"time": "nan"}, "nanoseconds"),
        ({"time": None}, "$.time"),
        ({"values": None}, "$.values"),
        ({"values": {**VALUES, "latitude": "nan"}}, "latitude is not finite"),
        ({"values": {**VALUES, "longitude": "-inf"}}, "longitude is not finite"),
        ({"values": {**VALUES, "latitude": "1_0"}}, "latitude is not a number"),
        ({"values": {**VALUES, "longitude": 180.1}}, "$.Longitude"),
        ({"values": {**VALUES, "speed": "secret"}}, "speed is not a number"),
        ({"values": {**VALUES, "speed": True}}, "$.values.speed"),
        ({"values": {"latitude": 1}}, "longitude"),
    ],
)
def test_what_is_no_location_says_which_field(change: dict[str, Any], reason: str) -> None:
    """And never its value."""
    reading = read({**ENTRY, **change})
    assert not reading.fixes
    assert reason in reading.unreadable[0].reason
    assert "secret" not in reading.unreadable[0].reason


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff" + message(ENTRY),
        message(ENTRY).replace(b"phone-1", b"\xc3\x28"),
        message(OTHER).replace(b"up", b"\xff"),  # in what nobody looks at
        message(ENTRY).replace(b"28.5", b"NaN"),
        message(ENTRY).replace(b"28.5", b"-Infinity"),
        message(ENTRY, deviceId=""),
        message(ENTRY, deviceId="  "),
        message(ENTRY, deviceId="x" * 257),
        message(ENTRY, deviceId=5),
        message(ENTRY, sessionId="x" * 257),
        message(ENTRY, payload={}),
        b"[" * 100_000,
        message(ENTRY).replace(b'"payload"', b'"lost"'),
    ],
)
def test_what_is_no_message_is_refused_as_a_whole(body: bytes) -> None:
    """With a reason that quotes nothing."""
    with pytest.raises(RecordError) as caught:
        read_push(body)
    assert "phone" not in caught.value.reason


def test_deep_nesting_spoils_only_its_entry() -> None:
    """It would exhaust the stack of whoever reads it naively."""
    deep = b"[" * 500 + b"]" * 500
    body = message(ENTRY, "?").replace(b'"?"', deep)
    assert len(read_push(body).unreadable) == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
FIELDS = st.sampled_from([*VALUES, "name", "time", "values", "deviceId", "payload", "messageId", "sessionId"])


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_nothing_but_a_record_error_comes_of_any_bytes(body: bytes) -> None:
    """Bad input has a reason, never a traceback."""
    with suppress(RecordError):
        read_push(body)


@given(st.dictionaries(FIELDS, JSON_VALUES), st.dictionaries(FIELDS, JSON_VALUES))
def test_every_entry_is_read_ignored_or_unreadable(change: dict[str, Any], values: dict[str, Any]) -> None:
    """Nothing is lost in silence, and what is read satisfies the topic's schema."""
    entry = {**ENTRY, "values": {**VALUES, **values}, **change}
    if "NaN" in (text := json.dumps(entry)) or "Infinity" in text:
        return
    reading = read(ENTRY, entry, OTHER)
    assert len(reading.fixes) + len(reading.unreadable) + reading.ignored == 3
    for fix in reading.fixes:
        assert msgspec.json.decode(msgspec.json.encode(fix), type=LocationFix) == fix
        assert all(math.isfinite(x) for x in msgspec.structs.astuple(fix) if isinstance(x, float))
