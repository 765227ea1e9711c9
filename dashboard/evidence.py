"""Why a transaction was flagged, drawn on the Earth: the phone's path, and the circle that it could reach."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pyproj import Geod

from dashboard.track import Fix
from detection.words import (
    apart_in_words,
    distance_in_words,
    figures,
    headline,
    in_words,
    is_reach_a_least,
    reach_m,
    reason_in_words,
    stage_in_words,
)
from models.flagged_transaction import FlaggedTransaction
from models.judgement import UsedFix

_WGS84: Final = Geod(ellps="WGS84")
_CORNERS: Final = 90
_WIDEST_M: Final = 2_000_000.0  # a wider circle says nothing on a map, and may hold a pole
_NEAR_MS: Final = 600_000
_SAME_MS: Final = 20  # the detector keeps times to 1/32 s


def told(line: FlaggedTransaction) -> dict[str, Any]:
    """The verdict in words, without a figure or a place."""
    return {
        "headline": headline(line),
        "why": in_words(line),
        "stage": stage_in_words(line),
        "reasons": [{"code": code, "told": reason_in_words(code)} for code in line.reasons],
    }


def drawn(line: FlaggedTransaction, fixes: Sequence[Fix]) -> dict[str, Any]:
    """The exact evidence: figures, the fixes that were used and refused, the path within ten minutes.

    As in `explain`, what was refused is no part of the path.
    """
    radius_m = reach_m(line)
    moment_ms = _ms(line.transaction_time)
    refused_ms = [_ms(fix.event_time) for fix in line.refused]
    at_least = "at least " if is_reach_a_least(line) else ""
    return {
        "required_m": line.required_m,
        "possible_m": line.possible_m,
        "figures": [[each.name, each.amount, each.meaning] for each in figures(line)],
        "place": [line.latitude_deg, line.longitude_deg],
        "circle": _circle(line.fixes[0], radius_m) if line.fixes and radius_m is not None else None,
        "reach": "" if radius_m is None else f"within reach: {at_least}{distance_in_words(radius_m)}",
        "fixes": [
            *(_used(line, fix, "used" if n else "decisive") for n, fix in enumerate(line.fixes)),
            *(_used(line, fix, "refused") for fix in line.refused),
        ],
        "path": [
            [fix.time_ms, fix.latitude_deg, fix.longitude_deg]
            for fix in fixes
            if abs(fix.time_ms - moment_ms) <= _NEAR_MS
            and all(abs(fix.time_ms - other_ms) > _SAME_MS for other_ms in refused_ms)
        ],
    }


def _circle(centre: UsedFix, radius_m: float) -> list[list[float]] | None:
    """A polygon on WGS84 around the decisive fix. Its longitudes go on over the antimeridian."""
    if not 0 < radius_m <= _WIDEST_M:
        return None
    places = []
    for n in range(_CORNERS):
        longitude_deg, latitude_deg, _ = _WGS84.fwd(
            centre.longitude_deg, centre.latitude_deg, 360 * n / _CORNERS, radius_m
        )
        turn_deg = round((centre.longitude_deg - longitude_deg) / 360) * 360
        places.append([round(latitude_deg, 6), round(longitude_deg + turn_deg, 6)])
    return places


def _used(line: FlaggedTransaction, fix: UsedFix, role: str) -> dict[str, Any]:
    apart = apart_in_words((line.transaction_time - fix.event_time).total_seconds())
    return {
        "role": role,
        "time": _ms(fix.event_time),
        "place": [fix.latitude_deg, fix.longitude_deg],
        "accuracy_m": fix.accuracy_m if fix.accuracy_m is not None and fix.accuracy_m >= 0 else None,
        "told": f"{role}, {apart}" + ("" if fix.speed_mps is None else f", {max(fix.speed_mps, 0):.1f} m/s"),
    }


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
