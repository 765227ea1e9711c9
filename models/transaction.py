"""Topic transaction_data: a card was used."""

import math
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, field
from msgspec.structs import force_setattr

from models.location_fix import DeviceId, LatitudeDeg, LongitudeDeg
from models.times import checked_utc, epoch_ns

TransactionId = Annotated[str, Meta(min_length=1, max_length=256, description="Id of the transaction.")]
NumberText = Annotated[str, Meta(max_length=32, description="The same as text.")]


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One use of a card, as the bank of the paper writes it. Topic transaction_data; key: device id, UTF-8.

    Restricted zone: holds the card number and the name as they are.
    """

    transaction_id: TransactionId = field(name="Transaction ID")
    device_id: DeviceId = field(name="Device ID")
    event_time: Annotated[datetime, Meta(description="ISO 8601, years 1678 to 2261; UTC without a zone.")] = (
        field(name="Timestamp")
    )
    amount: float = field(name="Amount")
    latitude: LatitudeDeg | NumberText = field(name="Location Latitude")
    longitude: LongitudeDeg | NumberText = field(name="Location Longitude")
    user_id: str | int | None = field(name="User ID", default=None)
    name: str | None = field(name="Name", default=None)
    card_number: str | int | None = field(name="Card Number", default=None)
    merchant_id: str | int | None = field(name="Merchant ID", default=None)
    merchant: str | None = field(name="Merchant", default=None)
    merchant_category: str | None = field(name="Merchant_category", default=None)
    transaction_type: str | None = field(name="Transaction Type", default=None)
    transaction_device: str | None = field(name="Transaction_device", default=None)

    def __post_init__(self) -> None:
        """Refuse blank ids, a time that does not fit, and coordinates in text that are not in range."""
        if self.transaction_id.isspace():
            raise ValueError("Transaction ID is blank")
        if self.device_id.isspace():
            raise ValueError("Device ID is blank")
        force_setattr(self, "event_time", checked_utc(self.event_time, "Timestamp"))
        if isinstance(self.latitude, str):
            force_setattr(self, "latitude", _degrees(self.latitude, 90, "Location Latitude"))
        if isinstance(self.longitude, str):
            force_setattr(self, "longitude", _degrees(self.longitude, 180, "Location Longitude"))

    def __repr__(self) -> str:
        """Names the transaction only: a card number must not reach a log or a traceback."""
        return f"Transaction({self.transaction_id!r})"

    @property
    def key(self) -> bytes:
        """Record key: the device id, UTF-8."""
        return self.device_id.encode()

    @property
    def event_time_ns(self) -> int:
        """When the card was used, nanoseconds since the epoch."""
        return epoch_ns(self.event_time)

    @property
    def latitude_deg(self) -> float:
        """Degrees north, WGS84."""
        return self.latitude  # type: ignore[return-value]  # __post_init__ read the text

    @property
    def longitude_deg(self) -> float:
        """Degrees east, WGS84."""
        return self.longitude  # type: ignore[return-value]  # __post_init__ read the text


def _degrees(text: str, limit_deg: float, name: str) -> float:
    """Read a decimal number within ±`limit_deg`. Raises ValueError that never quotes the text."""
    try:
        degrees = float(text)
    except ValueError:
        degrees = math.nan
    if -limit_deg <= degrees <= limit_deg and "_" not in text:  # Python alone reads 1_0 as a number
        return degrees
    if math.isnan(degrees) or "_" in text:
        raise ValueError(f"{name} is not a number")
    raise ValueError(f"{name} is not within ±{limit_deg} degrees")
