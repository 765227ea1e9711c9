"""What the Sensor Logger app sends, read: one message, several entries, of which locations count.

The form is that of the app's own documentation (tszheichoi/awesome-sensor-logger, PUSHING.md).
"""

import math
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from models.location_fix import DeviceId, LocationFix
from models.times import utc_datetime
from streaming.decoding import MALFORMED, JsonDecoder
from streaming.errors import RecordError

_EARLIEST_NS = 10**18  # September 2001; a time in seconds, milli- or microseconds is smaller

Number = float | str
Id = Annotated[str, Meta(max_length=256)] | int | None


class LocationValues(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A position. Numbers may come as text; a negative speed, bearing or accuracy means unknown."""

    latitude: Annotated[Number, Meta(description="Degrees north, WGS84.")]
    longitude: Annotated[Number, Meta(description="Degrees east, WGS84.")]
    altitude: Annotated[Number | None, Meta(description="Meters.")] = None
    speed: Annotated[Number | None, Meta(description="Meters per second.")] = None
    bearing: Annotated[Number | None, Meta(description="Degrees.")] = None
    horizontal_accuracy: Annotated[Number | None, Meta(description="Meters.")] = None
    vertical_accuracy: Annotated[Number | None, Meta(description="Meters.")] = None
    speed_accuracy: Annotated[Number | None, Meta(description="Meters per second.")] = None
    bearing_accuracy: Annotated[Number | None, Meta(description="Degrees.")] = None


class LocationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A reading of the sensor "location"."""

    name: Literal["location"]
    time: Annotated[int | Number, Meta(description="Nanoseconds since the epoch, UTC.")]
    values: LocationValues


class PushedMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A push of the app. Entries come in any order of their times; those of other sensors are ignored."""

    device_id: DeviceId
    payload: list[msgspec.Raw]
    message_id: Id = None
    session_id: Id = None


class _AnyEntry(msgspec.Struct, frozen=True, gc=False):
    name: str


class Unreadable(NamedTuple):
    """An entry as it came, and why it is no location. The reason quotes no value."""

    raw: bytes
    reason: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A message, read."""

    device_id: str
    fixes: list[LocationFix]
    unreadable: list[Unreadable]
    ignored: int
    """Entries of other sensors."""


_read_message = JsonDecoder(PushedMessage).decode
_read_any_entry = msgspec.json.Decoder(_AnyEntry).decode
_read_location = msgspec.json.Decoder(LocationEntry).decode


def read_push(body: bytes) -> Reading:
    """Read a message. Raises RecordError where it is none; an entry that is none is in `unreadable`."""
    try:
        body.decode()  # what msgspec skips it does not look at
    except UnicodeDecodeError:
        raise RecordError(MALFORMED, "not JSON: not UTF-8") from None
    message = _read_message(body)
    if message.device_id.isspace():
        raise RecordError(MALFORMED, "deviceId is blank")
    fixes: list[LocationFix] = []
    unreadable: list[Unreadable] = []
    ignored = 0
    for raw in message.payload:
        try:
            if _read_any_entry(raw).name == "location":
                fixes.append(_fix(message, _read_location(raw)))
            else:
                ignored += 1
        except (ValueError, OverflowError, RecursionError) as error:  # msgspec's are ValueErrors
            unreadable.append(Unreadable(bytes(raw), _reason(error)))
    return Reading(device_id=message.device_id, fixes=fixes, unreadable=unreadable, ignored=ignored)


def _fix(message: PushedMessage, entry: LocationEntry) -> LocationFix:
    """Raises ValueError that names the field, never its value."""
    values = entry.values
    fields: dict[str, Any] = {
        "DeviceId": message.device_id,
        "Time": utc_datetime(_time_ns(entry.time)),
        "Latitude": _number("latitude", values.latitude),
        "Longitude": _number("longitude", values.longitude),
        "Altitude": _number("altitude", values.altitude),
        "Speed": _number("speed", values.speed),
        "Bearing": _number("bearing", values.bearing),
        "HorizontalAccuracy": _number("horizontalAccuracy", values.horizontal_accuracy),
        "VerticalAccuracy": _number("verticalAccuracy", values.vertical_accuracy),
        "SpeedAccuracy": _number("speedAccuracy", values.speed_accuracy),
        "BearingAccuracy": _number("bearingAccuracy", values.bearing_accuracy),
        "MessageId": message.message_id,
        "SessionId": message.session_id,
    }
    return msgspec.convert(fields, LocationFix)


def _number(name: str, value: Number | None) -> float | None:
    if isinstance(value, str):
        try:
            value = msgspec.convert(value, float, strict=False)
        except msgspec.ValidationError:
            raise ValueError(f"{name} is not a number") from None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{name} is not finite")
    return value


def _time_ns(value: float | str) -> int:
    """Whole nanoseconds; the type `float` of a signature contains int."""
    if isinstance(value, str):
        try:
            value = msgspec.convert(value, int | float, strict=False)
        except msgspec.ValidationError:
            raise ValueError("time is not a number") from None
    if not value >= _EARLIEST_NS or value == math.inf:
        raise ValueError("time is before September 2001: wanted nanoseconds since the epoch")
    return int(value)


def _reason(error: Exception) -> str:
    if isinstance(error, OverflowError):
        return "time is beyond all years"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)
