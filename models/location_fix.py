"""Topic location_data: where a phone says it is."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, field
from msgspec.structs import force_setattr

from models.latest_location import LatestLocation
from models.times import checked_utc, epoch_ns

DeviceId = Annotated[str, Meta(min_length=1, max_length=256, description="Id of the phone or device.")]
LatitudeDeg = Annotated[float, Meta(ge=-90, le=90, description="Degrees north, WGS84.")]
LongitudeDeg = Annotated[float, Meta(ge=-180, le=180, description="Degrees east, WGS84.")]


class LocationFix(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One position report of a device, as the Sensor Logger pipeline of the paper writes it.

    Topic location_data; record key: device id, UTF-8. A negative speed, bearing or accuracy means that
    the phone had no valid reading.
    """

    device_id: DeviceId = field(name="DeviceId")
    event_time: Annotated[
        datetime, Meta(description="Device clock, ISO 8601, years 1678 to 2261; UTC without a zone.")
    ] = field(name="Time")
    latitude_deg: LatitudeDeg = field(name="Latitude")
    longitude_deg: LongitudeDeg = field(name="Longitude")
    altitude_m: float | None = field(name="Altitude", default=None)
    speed_mps: float | None = field(name="Speed", default=None)
    bearing_deg: float | None = field(name="Bearing", default=None)
    horizontal_accuracy_m: float | None = field(name="HorizontalAccuracy", default=None)
    vertical_accuracy_m: float | None = field(name="VerticalAccuracy", default=None)
    speed_accuracy_mps: float | None = field(name="SpeedAccuracy", default=None)
    bearing_accuracy_deg: float | None = field(name="BearingAccuracy", default=None)
    message_id: str | int | None = field(name="MessageId", default=None)
    session_id: str | int | None = field(name="SessionId", default=None)

    def __post_init__(self) -> None:
        """Refuse an id of blanks, which would be one device for everybody, and a time that does not fit."""
        if self.device_id.isspace():
            raise ValueError("DeviceId is blank")
        force_setattr(self, "event_time", checked_utc(self.event_time, "Time"))

    @property
    def key(self) -> bytes:
        """Record key: the device id, UTF-8."""
        return self.device_id.encode()

    @property
    def event_time_ns(self) -> int:
        """When the device was there, nanoseconds since the epoch."""
        return epoch_ns(self.event_time)

    @property
    def latest(self) -> LatestLocation:
        """What the rule of the paper needs of this report."""
        return LatestLocation(
            event_time=self.event_time,
            latitude_deg=self.latitude_deg,
            longitude_deg=self.longitude_deg,
            speed_mps=self.speed_mps,
            accuracy_m=self.horizontal_accuracy_m,
        )
