"""The peer's records and its rule, in Python: what the Kafka Streams application decides, and why."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from math import asin, cos, radians, sin, sqrt

import msgspec
from msgspec import field

from sources.event_file import Event

_RADIUS_M = 6_371_000.0
_LEAST_DISTANCE_M = 1000.0
_LEAST_SPEED_MPS = 60.0
_TIMES_REPORTED_SPEED = 3.0
_LEAST_ELAPSED_S = 1.0


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A device's row: its latest location."""

    event_time: datetime
    latitude_deg: float
    longitude_deg: float
    speed_mps: float


class Location(msgspec.Struct, frozen=True, gc=False):
    """What the rule needs of a record of location_data."""

    event_time: datetime = field(name="Time")
    latitude_deg: float = field(name="Latitude")
    longitude_deg: float = field(name="Longitude")
    speed_mps: float = field(name="Speed")

    @property
    def position(self) -> Position:
        """What is kept of it."""
        return Position(self.event_time, self.latitude_deg, self.longitude_deg, self.speed_mps)


class Purchase(msgspec.Struct, frozen=True, gc=False):
    """What the rule needs of a record of transaction_data."""

    transaction_id: str = field(name="Transaction ID")
    user_id: str = field(name="User ID")
    device_id: str = field(name="Device ID")
    event_time: datetime = field(name="Timestamp")
    amount: float = field(name="Amount")
    latitude_deg: str = field(name="Location Latitude")
    longitude_deg: str = field(name="Location Longitude")


class Fraud(msgspec.Struct, frozen=True, gc=False):
    """A flagged purchase. Field names are the peer's."""

    transaction_id: str
    user_id: str
    device_id: str
    amount: float
    implied_speed: float
    reported_speed: float
    distance_m: float


def fraud_of(purchase: Purchase, latest: Position) -> Fraud | None:
    """Judge a purchase by the latest location of its device; None where it is cleared."""
    distance_m = _haversine_m(
        float(purchase.latitude_deg), float(purchase.longitude_deg), latest.latitude_deg, latest.longitude_deg
    )
    if distance_m <= _LEAST_DISTANCE_M:
        return None
    elapsed_s = abs((purchase.event_time - latest.event_time).total_seconds())
    implied_mps = distance_m / max(_LEAST_ELAPSED_S, elapsed_s)
    if implied_mps <= _LEAST_SPEED_MPS or implied_mps <= _TIMES_REPORTED_SPEED * latest.speed_mps:
        return None
    return Fraud(
        purchase.transaction_id,
        purchase.user_id,
        purchase.device_id,
        purchase.amount,
        implied_mps,
        latest.speed_mps,
        distance_m,
    )


def _haversine_m(from_lat_deg: float, from_lon_deg: float, to_lat_deg: float, to_lon_deg: float) -> float:
    from_lat, to_lat = radians(from_lat_deg), radians(to_lat_deg)
    s, t = sin((to_lat - from_lat) / 2), sin(radians(to_lon_deg - from_lon_deg) / 2)
    return 2 * _RADIUS_M * asin(sqrt(s * s + cos(from_lat) * cos(to_lat) * t * t))


def flagged_ids(events: Iterable[Event], locations_topic: str) -> list[str]:
    """The truth: ids of what the rule flags where `events` are taken one by one, in their order."""
    location = msgspec.json.Decoder(Location).decode
    purchase = msgspec.json.Decoder(Purchase).decode
    latest: dict[str | None, Position] = {}
    flagged = []
    for event in events:
        if event.topic == locations_topic:
            latest[event.key] = location(event.value).position
        elif (position := latest.get(event.key)) and (fraud := fraud_of(purchase(event.value), position)):
            flagged.append(fraud.transaction_id)
    return flagged


def id_sum(ids: Iterable[str]) -> int:
    """What the peer tells of a set of ids: the sum of Java's String.hashCode, each taken as unsigned."""
    return sum(reduce(lambda code, c: (31 * code + ord(c)) & 0xFFFFFFFF, text, 0) for text in ids)
