"""What a plot shows, in metres on a plane; the same for every kind of file. Pure.

The plane is the azimuthal equidistant projection around the decisive fix: every distance from there is the
geodesic's length on WGS84, hence what can be reached is a circle, and the transaction lies inside or outside
of it as it does on the Earth. The antimeridian and the poles are nothing special.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, hypot, radians, sin
from typing import Final

from pyproj import Geod

from app.explaining.finding import Finding, Role, ShownFix
from detection.words import (
    apart_in_words,
    distance_in_words,
    headline,
    in_words,
    is_reach_a_least,
    printable,
    reach_m,
)

_WGS84: Final = Geod(ellps="WGS84")

LABELS: Final[Mapping[Role, str]] = {
    "decisive": "decisive",
    "used": "used",
    "refused": "refused",
    "other": "other locations",
}

_LEAST_VIEW_M: Final = 20.0
_MARGIN: Final = 1.3
# A circle that is wide, and so much wider than all that lies in it, is left out of the view: its label tells.
_CIRCLE_IN_VIEW: Final = 20.0
_NEVER_TOO_WIDE_M: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Place:
    """A point of the plane: metres east and north of the decisive fix."""

    east_m: float
    north_m: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A location report on the plane, with what is to be known of it."""

    role: Role
    place: Place
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture of the evidence. `marks` are in the order of time; the circle is around (0, 0)."""

    title: str
    subtitle: str
    transaction: Place
    marks: tuple[Mark, ...]
    reach_m: float | None
    is_reach_a_least: bool
    west_m: float
    east_m: float
    south_m: float
    north_m: float

    @property
    def track(self) -> tuple[Place, ...]:
        """The way of the phone by its own account, without what was refused."""
        return tuple(mark.place for mark in self.marks if mark.role != "refused")

    @property
    def reach_told(self) -> str:
        """What the circle stands for."""
        if self.reach_m is None:
            return ""
        beyond = "" if self._is_in_view(Place(self.reach_m, 0.0)) else ", beyond the picture"
        at_least = "at least " if self.is_reach_a_least else ""
        return f"within reach: {at_least}{distance_in_words(self.reach_m)}{beyond}"

    def told(self, role: Role) -> str:
        """What marks of a role stand for, and how many of them are not to be seen."""
        outside = sum(mark.role == role and not self._is_in_view(mark.place) for mark in self.marks)
        return f"{LABELS[role]}, {outside:,} beyond the picture" if outside else LABELS[role]

    def _is_in_view(self, place: Place) -> bool:
        return self.west_m <= place.east_m <= self.east_m and self.south_m <= place.north_m <= self.north_m


def drawing_of(finding: Finding) -> Drawing:
    """Put a finding on the plane. Without a decisive fix the transaction is its centre."""
    decision = finding.decision
    centre = decision.fixes[0] if decision.fixes else decision
    transaction = place_of(
        centre.latitude_deg, centre.longitude_deg, decision.latitude_deg, decision.longitude_deg
    )
    marks = tuple(
        Mark(
            each.role,
            place_of(
                centre.latitude_deg, centre.longitude_deg, each.fix.latitude_deg, each.fix.longitude_deg
            ),
            _told(each),
        )
        for each in finding.fixes
    )
    radius_m = reach_m(decision)
    # What was refused may lie anywhere, and ten minutes of a track are long: the evidence fills the picture.
    judged = [mark.place for mark in marks if mark.role in ("decisive", "used")]
    shown = judged or [mark.place for mark in marks]
    west_m, east_m, south_m, north_m = _view((transaction, *shown), radius_m)
    return Drawing(
        title=f"{printable(decision.transaction_id)}: {headline(decision)}",
        subtitle=in_words(decision),
        transaction=transaction,
        marks=marks,
        reach_m=radius_m,
        is_reach_a_least=is_reach_a_least(decision),
        west_m=west_m,
        east_m=east_m,
        south_m=south_m,
        north_m=north_m,
    )


def place_of(
    centre_latitude_deg: float, centre_longitude_deg: float, latitude_deg: float, longitude_deg: float
) -> Place:
    """Where a point of the Earth lies on the plane around the centre."""
    azimuth_deg, _, away_m = _WGS84.inv(
        centre_longitude_deg, centre_latitude_deg, longitude_deg, latitude_deg
    )
    return Place(away_m * sin(radians(azimuth_deg)), away_m * cos(radians(azimuth_deg)))


def circle(radius_m: float, corners: int = 180) -> tuple[Place, ...]:
    """A closed polygon around (0, 0)."""
    turns = (radians(360 * n / corners) for n in range(corners + 1))
    return tuple(Place(radius_m * sin(turn), radius_m * cos(turn)) for turn in turns)


def _view(places: Sequence[Place], radius_m: float | None) -> tuple[float, float, float, float]:
    """West, east, south and north edge: a square that shows all places, and the circle where that is near."""
    furthest_m = max(hypot(place.east_m, place.north_m) for place in places)
    widest_m = max(_CIRCLE_IN_VIEW * furthest_m, _NEVER_TOO_WIDE_M)
    shown_m = radius_m if radius_m is not None and radius_m <= widest_m else 0.0
    wests = [-shown_m, *(place.east_m for place in places)]
    souths = [-shown_m, *(place.north_m for place in places)]
    easts = [shown_m, *(place.east_m for place in places)]
    norths = [shown_m, *(place.north_m for place in places)]
    middle_east_m, middle_north_m = (min(wests) + max(easts)) / 2, (min(souths) + max(norths)) / 2
    half_m = max(max(easts) - min(wests), max(norths) - min(souths), _LEAST_VIEW_M) / 2 * _MARGIN
    return (
        middle_east_m - half_m,
        middle_east_m + half_m,
        middle_north_m - half_m,
        middle_north_m + half_m,
    )


def _told(shown: ShownFix) -> str:
    told = [
        f"{shown.role}: {shown.fix.event_time:%Y-%m-%d %H:%M:%S} UTC",
        f"{apart_in_words(-shown.after_s)}, {distance_in_words(shown.distance_m)} away",
    ]
    if shown.fix.accuracy_m is not None and shown.fix.accuracy_m >= 0:
        told.append(f"accurate to {distance_in_words(shown.fix.accuracy_m)}")
    if shown.fix.speed_mps is not None and shown.fix.speed_mps >= 0:
        told.append(f"at {shown.fix.speed_mps:.1f} m/s")
    return ", ".join(told)
