"""A sensor's reading as it lies in the sensor database of workflow 1: restricted, exact, or sealed."""

from collections.abc import Mapping
from typing import Final

import msgspec

from privacy.field_encryption import SEALED

PLACE_FIELDS: Final = ("Latitude", "Longitude", "Altitude", "Speed", "Bearing")
"""As the messages of devices have them: degrees, metres, metres per second."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one message of a device says. deploy/aws/topic-rule.json writes the same."""

    device_id: str
    time_ms: int
    """When the message came, milliseconds since the epoch: a device's clock is not asked."""
    fields: Mapping[str, float | str]
    """Of PLACE_FIELDS those that it has, or one Fernet token as SEALED; at least one."""

    @classmethod
    def of(cls, message: Mapping[str, object], device_id: str, time_ms: int) -> "Reading":
        """Take from a message what is kept. Raises ValueError, which quotes nothing, where nothing can be."""
        fields: dict[str, float | str] = {}
        for name in PLACE_FIELDS:
            value = message.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                fields[name] = float(value)
            elif value is not None:
                raise ValueError(f"{name} is no number")
        sealed = message.get(SEALED)
        if isinstance(sealed, str) and sealed:
            fields[SEALED] = sealed
        elif sealed is not None:
            raise ValueError(f"{SEALED} is no text")
        if not fields:
            raise ValueError("there is no reading in it")
        if not device_id:
            raise ValueError("there is no device id")
        return cls(device_id=device_id, time_ms=time_ms, fields=fields)
