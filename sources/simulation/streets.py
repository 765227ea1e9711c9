"""The ground that people move on, and their ways along its streets."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Self

_LONGEST_WALK_M = 900.0
_LONGEST_STRETCH_M = 2_500.0  # from one red light to the next, at most
_ACCURACIES_OUTSIDE_M = (3.5, 4.8, 5.0, 7.2, 10.0)  # as phones declare them, under an open sky
_ACCURACIES_INSIDE_M = (4.8, 7.2, 10.0, 16.0, 25.0)


class Place(NamedTuple):
    """A point on the earth, WGS84."""

    latitude_deg: float
    longitude_deg: float


class Spot(NamedTuple):
    """A point in a town, in metres from its centre."""

    east_m: float
    north_m: float

    def beside(self, rng: Random, off_m: float) -> "Spot":
        """A spot so far off in each direction, at most."""
        return Spot(self.east_m + rng.uniform(-off_m, off_m), self.north_m + rng.uniform(-off_m, off_m))

    def distance_m(self, other: "Spot") -> float:
        """As the crow flies."""
        return math.hypot(self.east_m - other.east_m, self.north_m - other.north_m)


@dataclass(frozen=True, slots=True)
class Ground:
    """A plane laid on the earth around a centre: within 0.1 % of WGS84 for ten kilometres around."""

    centre: Place
    metres_per_degree_north: float
    metres_per_degree_east: float

    @classmethod
    def around(cls, centre: Place) -> Self:
        """The lengths of a degree at the centre: the usual series for an ellipsoid, to a metre."""
        latitude = math.radians(centre.latitude_deg)
        north_m = 111_132.954 - 559.822 * math.cos(2 * latitude) + 1.175 * math.cos(4 * latitude)
        east_m = 111_412.84 * math.cos(latitude) - 93.5 * math.cos(3 * latitude)
        return cls(centre, north_m, east_m + 0.118 * math.cos(5 * latitude))

    def place(self, east_m: float, north_m: float) -> Place:
        """The place at a spot."""
        latitude_deg, longitude_deg = self.centre
        return Place(
            latitude_deg + north_m / self.metres_per_degree_north,
            longitude_deg + east_m / self.metres_per_degree_east,
        )


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of somebody's way along one street, or a stay: from standing to standing, smoothly.

    After a share x of its time, 3x² - 2x³ of the length is covered: no jump in speed, and accelerations
    of at most 1.5 m/s² on the legs of `way`.
    """

    start_ms: int
    duration_ms: int
    from_east_m: float
    from_north_m: float
    east_m: float
    north_m: float
    accuracy_m: float
    bearing_deg: float = -1.0
    """Clockwise from north; negative for a stay, as phones report it."""

    @property
    def end_ms(self) -> int:
        """When the next leg begins."""
        return self.start_ms + self.duration_ms

    @property
    def end(self) -> Spot:
        """Where the next leg begins."""
        return Spot(self.from_east_m + self.east_m, self.from_north_m + self.north_m)

    @property
    def is_stay(self) -> bool:
        """Nobody moves."""
        return not self.east_m and not self.north_m

    def spot_at(self, time_ms: int) -> Spot:
        """The true spot at a time within the leg."""
        x = (time_ms - self.start_ms) / self.duration_ms
        done = x * x * (3 - 2 * x)
        return Spot(self.from_east_m + done * self.east_m, self.from_north_m + done * self.north_m)

    def speed_mps_at(self, time_ms: int) -> float:
        """The true speed at a time within the leg."""
        x = (time_ms - self.start_ms) / self.duration_ms
        return 6 * x * (1 - x) * math.hypot(self.east_m, self.north_m) / (self.duration_ms / 1000)


def stay(rng: Random, spot: Spot, start_ms: int, end_ms: int) -> Leg:
    """Nothing but time passes; a millisecond of it at least. Phones are less precise in houses."""
    accuracy_m = _ACCURACIES_INSIDE_M[int(rng.random() * len(_ACCURACIES_INSIDE_M))]
    return Leg(start_ms, max(1, end_ms - start_ms), *spot, 0.0, 0.0, accuracy_m)


def way(rng: Random, start: Spot, end: Spot, start_ms: int) -> Iterator[Leg]:
    """Yield the legs of somebody's way: along two streets, on foot or by car, from light to light."""
    walks = abs(end.east_m - start.east_m) + abs(end.north_m - start.north_m) < _LONGEST_WALK_M
    speeds_mps = (1.0, 1.6) if walks else (8.0, 15.0)
    accuracy_m = _ACCURACIES_OUTSIDE_M[int(rng.random() * len(_ACCURACIES_OUTSIDE_M))]
    corner = Spot(end.east_m, start.north_m) if rng.random() < 0.5 else Spot(start.east_m, end.north_m)
    for begin, finish in ((start, corner), (corner, end)):
        length_m = begin.distance_m(finish)
        stretches = math.ceil(length_m / _LONGEST_STRETCH_M)
        bearing_deg = math.degrees(math.atan2(finish.east_m - begin.east_m, finish.north_m - begin.north_m))
        bearing_deg = round(bearing_deg % 360, 1)
        for number in range(stretches):
            stretch_m = length_m / stretches
            duration_s = max(1.0, 2 * math.sqrt(stretch_m), stretch_m / rng.uniform(*speeds_mps))
            share = number / stretches
            leg = Leg(
                start_ms=start_ms,
                duration_ms=int(duration_s * 1000),
                from_east_m=begin.east_m + share * (finish.east_m - begin.east_m),
                from_north_m=begin.north_m + share * (finish.north_m - begin.north_m),
                east_m=(finish.east_m - begin.east_m) / stretches,
                north_m=(finish.north_m - begin.north_m) / stretches,
                accuracy_m=accuracy_m,
                bearing_deg=bearing_deg,
            )
            yield leg
            start_ms = leg.end_ms
