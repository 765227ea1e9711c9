"""A position in the state of a device."""

import msgspec


class Fix(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a device was: the part of a location report that verdicts need.

    It lies in tables and changelogs as a msgpack array of its fields in this order: new fields are
    appended and have a default. Speed and accuracy are as the phone sent them: None where it sent
    nothing, negative where it had no valid reading.
    """

    event_time_ns: int
    latitude_deg: float
    longitude_deg: float
    speed_mps: float | None = None
    accuracy_m: float | None = None
