"""Units that files are written in, and what they are in ours."""

import math
from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Ratio = tuple[float, float]
"""A value times the first, divided by the second, is in our unit: two whole numbers round once less."""

_SPEEDS: Mapping[str, Ratio] = {
    "m/s": (1, 1),
    "km/h": (1, 3.6),
    "mph": (0.44704, 1),
    "kn": (1852, 3600),
    "ft/s": (0.3048, 1),
}
_LENGTHS: Mapping[str, Ratio] = {"m": (1, 1), "km": (1000, 1), "ft": (0.3048, 1), "mi": (1609.344, 1)}
_ANGLES: Mapping[str, Ratio] = {"deg": (1, 1), "deg_e7": (1, 10**7), "rad": (180, math.pi)}
_AMOUNTS: Mapping[str, Ratio] = {"cents": (1, 100)}

_DAY_NS = 86_400 * 10**9

EPOCHS: Mapping[str, tuple[int, int]] = {
    "s": (10**9, 0),
    "ms": (10**6, 0),
    "us": (10**3, 0),
    "ns": (1, 0),
    "days_since_1899-12-30": (_DAY_NS, -25_569 * _DAY_NS),  # spreadsheets, GeoLife
}
"""Nanoseconds that one of it has, and where its zero lies, in nanoseconds since 1970."""


def units_of(attribute: str) -> Mapping[str, Ratio]:
    """The units that an attribute of a message may come in, by the unit in its name."""
    if attribute.endswith("_mps"):
        return _SPEEDS
    if attribute.endswith("_m"):
        return _LENGTHS
    if attribute.endswith("_deg") or attribute in {"latitude", "longitude"}:
        return _ANGLES
    return _AMOUNTS if attribute == "amount" else {}


def checked_zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f'zone is {name!r}, which this machine does not know; one is "Europe/Berlin" (Debian: tzdata)'
        ) from None
