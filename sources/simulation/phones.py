"""Phones and tablets: when they report, what they send, and when it arrives."""

import math
from random import Random
from typing import NamedTuple

import msgspec

from sources.simulation.customers import random_uuid
from sources.simulation.routine import Life, Routine
from sources.simulation.sky import ERRORS, Sky
from sources.simulation.streets import Place

REPORT_INTERVAL_S = (3, 7)
TABLET_INTERVAL_S = (60, 240)
GAP_S = (600, 4 * 3600)
_MEAN_TIME_TO_GAP_S = 2 * 3600
_LATE_SHARE = 0.02
_NO_SPEED_SHARE = 0.05
_NEVER_MS = 1 << 62
_ENCODER = msgspec.json.Encoder()


class Drift(NamedTuple):
    """A run of fixes that all lie off by as much, as among high buildings."""

    east_m: float
    north_m: float
    fixes_left: int


class Phone:
    """A device and whoever carries it, second by second. Ask in order of time: it only moves forward.

    It reports at whole seconds, every 3 to 7 s, but for gaps of 10 minutes to 4 hours; a tablet, every 1 to
    4 minutes. Errors of a fix stay within twice its declared accuracy, but for a drift.
    """

    kind = "mobile"
    interval_s = REPORT_INTERVAL_S

    __slots__ = (
        "_fixes",
        "_gap_from_ms",
        "_ground",
        "_rng",
        "_session_id",
        "_sky",
        "device_id",
        "disturbed_until_ms",
        "drift",
        "flies_until_ms",
        "last_report_ms",
        "next_report_ms",
        "routine",
        "silence_ms",
        "stalled_until_ms",
    )

    def __init__(self, rng: Random, sky: Sky, routine: Routine, start_ms: int) -> None:
        self.device_id = random_uuid(rng)
        self.routine = routine
        self._ground = routine.life.town.ground
        self.next_report_ms = (-(-start_ms // 1000) + rng.randrange(self.interval_s[0] + 2)) * 1000
        self.last_report_ms = 0
        self.silence_ms = 0
        """From its last report to the next one; 0 before the first."""
        self.stalled_until_ms = 0
        """Reports made before this time arrive then: the phone has no network."""
        self.disturbed_until_ms = 0
        """Until this time its stream holds something odd: no case for a clear-cut fraud."""
        self.flies_until_ms = 0
        """It is off until then, on its way to another town."""
        self.drift = Drift(0.0, 0.0, 0)
        self._rng, self._sky = rng, sky
        self._fixes = rng.randrange(ERRORS)
        self._session_id = random_uuid(rng)
        self._gap_from_ms = self._next_gap_ms(start_ms)

    @property
    def is_in_gap(self) -> bool:
        """It has reported, and will again in the same town, but not for ten minutes or more between."""
        return self.silence_ms >= GAP_S[0] * 1000 and self.flies_until_ms <= self.last_report_ms

    @property
    def is_reporting(self) -> bool:
        """Its last report and its next one are no further apart than usual."""
        return 0 < self.silence_ms <= self.interval_s[1] * 1000

    def place_at(self, time_ms: int) -> Place:
        """Its true place."""
        return self._ground.place(*self.routine.move_to(time_ms).spot_at(time_ms))

    def report(self, now_ms: int) -> str:
        """Make the report that is due at `now_ms`, and plan the next."""
        leg = self.routine.move_to(now_ms)
        east_m, north_m = leg.spot_at(now_ms)
        self._fixes = (self._fixes + 1) % ERRORS
        error_east, error_north = self._sky.errors[self._fixes]
        east_m, north_m = east_m + error_east * leg.accuracy_m, north_m + error_north * leg.accuracy_m
        if (drift := self.drift).fixes_left:
            east_m, north_m = east_m + drift.east_m, north_m + drift.north_m
            self.drift = Drift(drift.east_m, drift.north_m, drift.fixes_left - 1)
        place = self._ground.place(east_m, north_m)
        if not self.is_reporting:  # it has been switched on: a few fixes must establish where it is
            self.disturbed_until_ms = max(self.disturbed_until_ms, now_ms)
        self.last_report_ms = now_ms
        shortest_s, longest_s = self.interval_s
        self.next_report_ms = now_ms + 1000 * int(
            shortest_s + (longest_s - shortest_s + 1) * self._rng.random()
        )
        if self.next_report_ms >= self._gap_from_ms and now_ms >= self.disturbed_until_ms:
            shortest_s, longest_s = GAP_S
            gap_s = shortest_s * (longest_s / shortest_s) ** self._rng.random()
            self.next_report_ms = now_ms + 1000 * math.ceil(gap_s)
            self._gap_from_ms = self._next_gap_ms(self.next_report_ms)
        self.silence_ms = self.next_report_ms - now_ms
        return self.fix_value(now_ms, place, leg.accuracy_m)

    def fly(self, life: Life, lands_ms: int, reports_from_ms: int) -> None:
        """Go off now, be in another town's life when the flight has landed, and report some minutes later."""
        self._ground, self.routine = life.town.ground, Routine(self._rng, life, lands_ms)
        self.flies_until_ms = lands_ms
        self.next_report_ms = reports_from_ms // 1000 * 1000
        self.silence_ms = self.next_report_ms - self.last_report_ms
        self._gap_from_ms = self._next_gap_ms(reports_from_ms)

    def arrival_ms(self, sent_ms: int) -> int:
        """When a report of that time arrives: soon, rarely half a minute late, or when a stall ends."""
        random = self._rng.random
        delay_ms = 5_000 + 25_000 * random() if random() < _LATE_SHARE else 150 + 1_850 * random()
        return max(sent_ms, self.stalled_until_ms) + int(delay_ms)

    def fix_value(self, time_ms: int, place: Place, accuracy_m: float) -> str:
        """The text of a report that says the phone is at `place`; its time is cut to whole seconds."""
        random, leg = self._rng.random, self.routine.leg
        speed_mps = -1.0
        if random() > _NO_SPEED_SHARE:
            speed_mps = max(0.0, leg.speed_mps_at(time_ms) + 0.6 * (random() - 0.5))
        # Cut, not rounded: that takes a third of the time, and nobody sees it.
        return _ENCODER.encode(
            {
                "Time": self._sky.time_text(time_ms),
                "Speed": int(speed_mps * 1e3) / 1e3,
                "Altitude": int(250 + 20 * random()) / 10,
                "Longitude": int(place.longitude_deg * 1e7) / 1e7,
                "Latitude": int(place.latitude_deg * 1e7) / 1e7,
                "DeviceId": self.device_id,
                "MessageId": self._rng.getrandbits(20),
                "SessionId": self._session_id,
                "BearingAccuracy": 0,
                "SpeedAccuracy": 0.5,
                "VerticalAccuracy": 3.5,
                "HorizontalAccuracy": accuracy_m,
                "Bearing": leg.bearing_deg,
            }
        ).decode()

    def _next_gap_ms(self, from_ms: int) -> int:
        """When the phone is next switched off, or loses sight of the sky, for long."""
        return from_ms + int(self._rng.expovariate(1 / _MEAN_TIME_TO_GAP_S) * 1000)


class Tablet(Phone):
    """Lies at home and is never switched off."""

    kind = "tablet"
    interval_s = TABLET_INTERVAL_S

    __slots__ = ()

    def _next_gap_ms(self, from_ms: int) -> int:
        return from_ms + _NEVER_MS
