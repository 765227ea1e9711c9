"""Ways through San Jose: streets, speeds and the places on them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

CENTRE_LATITUDE_DEG = 37.3352
CENTRE_LONGITUDE_DEG = -121.8811
HALF_WIDTH_M = 8_000.0
# WGS84 at the latitude of the centre; within 0.1 % over the whole city.
METRES_PER_DEGREE_NORTH = 110_984.0
METRES_PER_DEGREE_EAST = 88_621.0

_ACCURACIES_M = (3.5, 4.8, 5.0, 7.2, 10.0, 16.0, 25.0)  # as phones declare them, from open sky to indoors


class Place(NamedTuple):
    """A point on the ground, WGS84."""

    latitude_deg: float
    longitude_deg: float

    def moved(self, east_m: float, north_m: float) -> "Place":
        """The point some metres away; for distances within the city."""
        return Place(
            self.latitude_deg + north_m / METRES_PER_DEGREE_NORTH,
            self.longitude_deg + east_m / METRES_PER_DEGREE_EAST,
        )


CENTRE = Place(CENTRE_LATITUDE_DEG, CENTRE_LONGITUDE_DEG)


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of somebody's way along one street, or a stay: from standing to standing, smoothly.

    After a share x of its time, 3x² - 2x³ of the length is covered: no jump in speed, and accelerations
    of at most 1.5 m/s² on the legs of `wander`.
    """

    start_ms: int
    duration_ms: int
    from_east_m: float
    from_north_m: float
    east_m: float
    north_m: float
    accuracy_m: float

    @property
    def end_ms(self) -> int:
        """When the next leg begins."""
        return self.start_ms + self.duration_ms

    @property
    def bearing_deg(self) -> float:
        """Clockwise from north; negative for a stay, as phones report it."""
        is_stay = not self.east_m and not self.north_m
        return -1.0 if is_stay else math.degrees(math.atan2(self.east_m, self.north_m)) % 360

    def place_at(self, time_ms: int) -> Place:
        """The true place at a time within the leg."""
        x = (time_ms - self.start_ms) / self.duration_ms
        done = x * x * (3 - 2 * x)
        return CENTRE.moved(self.from_east_m + done * self.east_m, self.from_north_m + done * self.north_m)

    def speed_mps_at(self, time_ms: int) -> float:
        """The true speed at a time within the leg."""
        x = (time_ms - self.start_ms) / self.duration_ms
        return 6 * x * (1 - x) * math.hypot(self.east_m, self.north_m) / (self.duration_ms / 1000)


def wander(rng: Random, start_ms: int) -> Iterator[Leg]:
    """Yield the legs of somebody's day, without end: stays, walks and drives, each along one street."""
    east_m, north_m = rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M), rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M)
    while True:
        length_m, duration_s = _stretch(rng)
        if rng.random() < 0.5:
            step_east_m, step_north_m = _step_inside(rng, east_m, length_m), 0.0
        else:
            step_east_m, step_north_m = 0.0, _step_inside(rng, north_m, length_m)
        leg = Leg(
            start_ms=start_ms,
            duration_ms=int(duration_s * 1000),
            from_east_m=east_m,
            from_north_m=north_m,
            east_m=step_east_m,
            north_m=step_north_m,
            accuracy_m=rng.choice(_ACCURACIES_M),
        )
        yield leg
        start_ms, east_m, north_m = leg.end_ms, east_m + step_east_m, north_m + step_north_m


def _stretch(rng: Random) -> tuple[float, float]:
    """Length in metres and duration in seconds of somebody's next leg."""
    kind = rng.random()
    if kind < 0.3:
        return 0.0, rng.uniform(60, 1800)  # stay
    if kind < 0.6:
        length_m = rng.uniform(50, 800)
        return length_m, length_m / rng.uniform(1.0, 1.6)  # walk
    length_m = rng.uniform(300, 4000)
    return length_m, max(2 * math.sqrt(length_m), length_m / rng.uniform(8, 15))  # drive


def _step_inside(rng: Random, from_m: float, length_m: float) -> float:
    """Either direction, but turned round where it would lead out of the city."""
    step_m = rng.choice((-length_m, length_m))
    return -step_m if abs(from_m + step_m) > HALF_WIDTH_M else step_m
