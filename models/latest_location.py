"""A row of the table latest_locations."""

from datetime import datetime

import msgspec


class LatestLocation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a device was last: the part of a location report that the rule of the paper needs.

    It lies in tables and changelogs as a msgpack array of its fields in this order: new fields are
    appended and have a default. The time is in UTC. Speed and accuracy are as the phone sent them: None
    where it sent nothing, negative where it had no valid reading.
    """

    event_time: datetime
    latitude_deg: float
    longitude_deg: float
    speed_mps: float | None = None
    accuracy_m: float | None = None
