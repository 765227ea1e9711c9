"""What somebody's days look like: home, work, lunch, errands, evenings out, and where they are meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sources.simulation.streets import Leg, Spot, stay, way
from sources.simulation.towns import Merchant, Town

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LOCAL_TIME_MS = -8 * HOUR_MS
"""San Jose's clock less UTC, without summer time; visits elsewhere are lived by it too."""

_SHORTEST_STAY_MS = 120_000
_BESIDE_TERMINAL_M = 14.0  # in each direction: within 20 m of it
_WORKING_SHARE = 0.7
_AT_NIGHT_SHARE = 0.06
_ERRANDS = ("Groceries", "Groceries", "Retail", "Fuel")
_EVENINGS = ("Restaurant", "Restaurant", "Entertainment")
_DAYS_OUT = ("Retail", "Groceries", "Restaurant", "Entertainment", "Fuel", "Travel")
_WEEKEND = (5, 6)  # as date.weekday() counts


class Stop(NamedTuple):
    """Where somebody stays, and the shop there: they go to it, or live or work above it."""

    spot: Spot
    shop: Merchant

    @classmethod
    def at(cls, rng: Random, shop: Merchant) -> "Stop":
        """Some steps from a shop's terminal."""
        return cls((shop.spot or Spot(0.0, 0.0)).beside(rng, _BESIDE_TERMINAL_M), shop)


Plan = list[tuple[float, Stop]]
"""A day: from that hour on (local time; above 24: tomorrow) on the way to that stop."""


@dataclass(frozen=True, slots=True)
class Life:
    """Somebody's places in a town and their hours."""

    town: Town
    home: Stop
    work: Stop | None
    leaves_home_h: float
    favourites: Mapping[str, Sequence[Merchant]]

    @classmethod
    def random(cls, rng: Random, town: Town, *, is_visit: bool = False) -> "Life":
        """A life of somebody who lives there, or visits: without work, and with a hotel for a home."""
        home = Stop.at(rng, rng.choice(town.shops))
        works = not is_visit and rng.random() < _WORKING_SHARE
        work = Stop.at(rng, rng.choice(town.shops)) if works else None
        leaves_h = 21.5 if rng.random() < _AT_NIGHT_SHARE else rng.gauss(7.6, 0.7)
        favourites = {category: town.shops_near(rng, home.spot, category) for category in town.shops_of}
        if work is not None:
            favourites["Lunch"] = town.shops_near(rng, work.spot, "Restaurant")
        return cls(town, home, work, leaves_h, favourites)

    def plan(self, rng: Random, weekday: int) -> Plan:
        """What they do on a day of the week."""
        if self.work is None or weekday in _WEEKEND:
            return self._day_off(rng)
        return self._working_day(rng, self.work)

    def _working_day(self, rng: Random, work: Stop) -> Plan:
        leaves_h = rng.gauss(self.leaves_home_h, 0.3)
        ends_h = leaves_h + rng.gauss(9.2, 0.6)
        plan: Plan = [(leaves_h, work)]
        if rng.random() < 0.6:
            lunch_h = leaves_h + rng.gauss(4.3, 0.3)
            plan += [(lunch_h, self._shop(rng, "Lunch")), (lunch_h + rng.uniform(0.4, 0.9), work)]
        if rng.random() < 0.45:
            plan.append((ends_h, self._shop(rng, rng.choice(_ERRANDS))))
            ends_h += rng.uniform(0.4, 1.0)
        plan.append((ends_h, self.home))
        if rng.random() < 0.25:
            out_h = ends_h + rng.uniform(1.0, 2.0)
            plan += [
                (out_h, self._shop(rng, rng.choice(_EVENINGS))),
                (out_h + rng.uniform(1.0, 2.5), self.home),
            ]
        return plan

    def _day_off(self, rng: Random) -> Plan:
        plan: Plan = []
        hour = rng.gauss(10.3, 1.2)
        for _ in range(rng.choice((0, 1, 2, 2, 3))):
            plan.append((hour, self._shop(rng, rng.choice(_DAYS_OUT))))
            hour += rng.uniform(0.5, 2.0)
            plan.append((hour, self.home))
            hour += rng.uniform(0.8, 3.0)
        return plan

    def _shop(self, rng: Random, habit: str) -> Stop:
        return Stop.at(rng, rng.choice(self.favourites[habit]))


def local_hour(time_ms: int) -> int:
    """The hour by San Jose's clock, from 0 to 23."""
    return (time_ms + LOCAL_TIME_MS) % DAY_MS // HOUR_MS


class Routine:
    """Somebody on their way through the days. Ask in order of time: it only moves forward.

    Begins at home at the local midnight before `start_ms`.
    """

    __slots__ = ("_legs", "leg", "life", "stop")

    def __init__(self, rng: Random, life: Life, start_ms: int, *, goes_out: bool = True) -> None:
        self.life = life
        self.stop = life.home
        """Where they are, or come from."""
        self._legs = self._days(rng, (start_ms + LOCAL_TIME_MS) // DAY_MS, goes_out=goes_out)
        self.leg = next(self._legs)
        self.move_to(start_ms)

    def move_to(self, time_ms: int) -> Leg:
        """The leg that they are on at a time."""
        leg = self.leg
        while time_ms >= leg.start_ms + leg.duration_ms:
            leg = self.leg = next(self._legs)
        return leg

    @property
    def shop_now(self) -> Merchant | None:
        """The shop that they are in or next to, at the time of the last question."""
        return self.stop.shop if self.leg.is_stay else None

    @property
    def is_home(self) -> bool:
        """They are in, at the time of the last question."""
        return self.leg.is_stay and self.stop is self.life.home

    @property
    def is_on_an_errand(self) -> bool:
        """They have gone to a shop and are in it, at the time of the last question."""
        return self.leg.is_stay and self.stop is not self.life.home and self.stop is not self.life.work

    def _days(self, rng: Random, day: int, *, goes_out: bool) -> Iterator[Leg]:
        stop = self.life.home
        now_ms = day * DAY_MS - LOCAL_TIME_MS
        while True:
            midnight_ms = day * DAY_MS - LOCAL_TIME_MS
            weekday = (day + 3) % 7  # the epoch was a Thursday
            for hour, following in self.life.plan(rng, weekday) if goes_out else ():
                leaves_ms = max(midnight_ms + int(hour * HOUR_MS), now_ms + _SHORTEST_STAY_MS)
                yield stay(rng, stop.spot, now_ms, leaves_ms)
                now_ms = leaves_ms
                for leg in way(rng, stop.spot, following.spot, now_ms):
                    yield leg
                    now_ms = leg.end_ms
                stop = self.stop = following
            day += 1
            if now_ms < (next_ms := day * DAY_MS - LOCAL_TIME_MS):
                yield stay(rng, stop.spot, now_ms, next_ms)
                now_ms = next_ms
