"""What sensors report: simulated tracks, with noise and with readings that are made up. Pure."""

import math
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import msgspec

from sources.event_file import Event
from streaming.errors import ConfigError

SECRET_FIELDS = frozenset({"Latitude", "Longitude", "Altitude", "Speed", "Bearing"})
"""What a device encrypts: where it is, and how it moves."""
BOUND_FIELDS = frozenset({"DeviceId", "Time"})
"""What an encrypted part belongs to; it stands in the clear as well."""

_METERS_IN_DEGREE = 111_195.0  # of latitude
_FAKE_DEG = (0.2, 5.0)  # so far from the true place, either way: 0.2 is where the paper's usual place ends
_FAKE_ALTITUDE_M = (100.0, 4000.0)  # the paper's usual altitude ends 100 m higher or lower
_FAKE_SPEED_MPS = (0.0, 60.0)


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """How sensors differ from what a track says. Raises ConfigError."""

    seed: int
    fake_share: float
    """Made-up readings, as a share of the true ones, which they come on top of."""
    noise_m: float
    """Standard deviation of what is added to a place, to the north and to the east each."""

    def __post_init__(self) -> None:
        """Refuse what is no share and no distance."""
        if not 0 <= self.fake_share <= 1 or not 0 <= self.noise_m < math.inf:
            raise ConfigError(
                f"--fake-share is {self.fake_share:g} and --noise-m {self.noise_m:g};"
                " wanted from 0 to 1, and metres of 0 or more"
            )


def enriched(events: Iterable[Event], location_topic: str, how: Enrichment) -> Iterator[tuple[Event, bool]]:
    """Yield all events in their order, and whether each is made up: those follow the true one they replace.

    Equal seeds give equal readings. What is no location, or not to be read as one, stays as it is.
    """
    chance = Random(how.seed)  # noqa: S311 (reproducible, not secret)
    for event in events:
        message = _message(event) if event.topic == location_topic else None
        if message is None:
            yield event, False
            continue
        yield (_with(event, _noisy(message, how.noise_m, chance)) if how.noise_m else event), False
        if chance.random() < how.fake_share:
            yield _with(event, _made_up(message, chance)), True


def _message(event: Event) -> dict[str, Any] | None:
    try:
        message = msgspec.json.decode(event.value_bytes, type=dict[str, Any])
        ok = all(isinstance(message[name], float | int) for name in ("Latitude", "Longitude"))
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return None
    return message if ok else None


def _noisy(message: dict[str, Any], noise_m: float, chance: Random) -> dict[str, Any]:
    north_deg = chance.gauss(0, noise_m) / _METERS_IN_DEGREE
    shrink = max(0.01, math.cos(math.radians(message["Latitude"])))
    east_deg = chance.gauss(0, noise_m) / (_METERS_IN_DEGREE * shrink)
    return _moved(message, north_deg, east_deg)


def _made_up(message: dict[str, Any], chance: Random) -> dict[str, Any]:
    def jump_deg() -> float:
        return chance.choice((-1, 1)) * chance.uniform(*_FAKE_DEG)

    return {
        **_moved(message, jump_deg(), jump_deg()),
        "Altitude": round(chance.uniform(*_FAKE_ALTITUDE_M), 1),
        "Speed": round(chance.uniform(*_FAKE_SPEED_MPS), 3),
    }


def _moved(message: dict[str, Any], north_deg: float, east_deg: float) -> dict[str, Any]:
    latitude_deg = min(90.0, max(-90.0, message["Latitude"] + north_deg))
    longitude_deg = (message["Longitude"] + east_deg + 180) % 360 - 180
    return {**message, "Latitude": round(latitude_deg, 7), "Longitude": round(longitude_deg, 7)}


def _with(event: Event, message: dict[str, Any]) -> Event:
    return Event(event.topic, event.key, event.arrival_ms, msgspec.json.encode(message).decode())
