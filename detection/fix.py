"""A position report of a device, as a track holds it."""

import msgspec


class Fix(msgspec.Struct, frozen=True, gc=False):
    """Where a device was: the part of a location report that the envelope needs.

    Speed and accuracy are as the phone sent them: None where it sent nothing, negative where it had no valid
    reading.
    """

    event_time_ns: int
    latitude_deg: float
    longitude_deg: float
    speed_mps: float | None = None
    accuracy_m: float | None = None
