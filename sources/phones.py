"""Phones on their owners' ways: when they report, what they send, and when it arrives."""

import math
import uuid
from random import Random

import msgspec

from models.times import utc_datetime
from sources.streets import Place, wander

REPORT_INTERVAL_S = (3, 7)
GAP_S = (600, 4 * 3600)
_MEAN_TIME_TO_GAP_S = 2 * 3600
_LATE_SHARE = 0.02
_NO_SPEED_SHARE = 0.05
_SIGMAS_IN_ACCURACY = 1.515  # a declared accuracy is the radius that 68 % of the errors stay within
_NOISE_MEMORY = 0.9  # the error of a GPS drifts, it does not jump
_ENCODER = msgspec.json.Encoder()


class Phone:
    """A phone and its owner, second by second. Ask in order of time: it only moves forward.

    It reports at whole seconds, every 3 to 7 s, but for gaps of 10 minutes to 4 hours. Errors of a fix
    stay within twice its declared accuracy.
    """

    def __init__(self, rng: Random, device_id: str, start_ms: int) -> None:
        self.device_id = device_id
        self.next_report_ms = (-(-start_ms // 1000) + rng.randrange(5)) * 1000
        self.last_report_ms: int | None = None
        self.stalled_until_ms = 0
        """Reports made before this time arrive then: the phone has no network."""
        self.disturbed_until_ms = 0
        """Until this time its stream holds something odd: no case for a clear-cut fraud."""
        self._rng = rng
        self._session_id = random_uuid(rng)
        self._legs = wander(rng, start_ms)
        self._leg = next(self._legs)
        self._gap_from_ms = start_ms + _time_to_gap_ms(rng)
        self._error_east, self._error_north = rng.gauss(0, 1), rng.gauss(0, 1)

    @property
    def is_in_gap(self) -> bool:
        """It has reported, and will again, but not for ten minutes or more between."""
        return self.last_report_ms is not None and self._silence_ms >= GAP_S[0] * 1000

    @property
    def is_reporting(self) -> bool:
        """Its last report and its next one lie within seconds."""
        return self.last_report_ms is not None and self._silence_ms <= REPORT_INTERVAL_S[1] * 1000

    def place_at(self, time_ms: int) -> Place:
        """Its true place."""
        while time_ms >= self._leg.end_ms:
            self._leg = next(self._legs)
        return self._leg.place_at(time_ms)

    def report(self, now_ms: int) -> str:
        """Make the report that is due at `now_ms`, and plan the next."""
        place = self.place_at(now_ms)
        value = self.fix_value(now_ms, place.moved(*self._next_error_m()))
        self.last_report_ms = now_ms
        self.next_report_ms = now_ms + 1000 * self._rng.randint(*REPORT_INTERVAL_S)
        if self.next_report_ms >= self._gap_from_ms and now_ms >= self.disturbed_until_ms:
            shortest_s, longest_s = GAP_S
            gap_s = shortest_s * (longest_s / shortest_s) ** self._rng.random()
            self.next_report_ms = now_ms + 1000 * math.ceil(gap_s)
            self._gap_from_ms = self.next_report_ms + _time_to_gap_ms(self._rng)
        return value

    def arrival_ms(self, sent_ms: int) -> int:
        """When a report of that time arrives: soon, rarely half a minute late, or when a stall ends."""
        is_slow = self._rng.random() < _LATE_SHARE
        delay_ms = self._rng.uniform(5_000, 30_000) if is_slow else self._rng.uniform(150, 2_000)
        return max(sent_ms, self.stalled_until_ms) + int(delay_ms)

    def fix_value(self, time_ms: int, place: Place) -> str:
        """The text of a report that says the phone is at `place`; its time is cut to whole seconds."""
        rng, leg = self._rng, self._leg
        has_speed = rng.random() > _NO_SPEED_SHARE
        speed_mps = max(0.0, leg.speed_mps_at(time_ms) + 0.6 * (rng.random() - 0.5)) if has_speed else -1.0
        return _ENCODER.encode(
            {
                "Time": utc_datetime(time_ms * 1_000_000).isoformat(" ")[:19],
                "Speed": round(speed_mps, 3),
                "Altitude": round(25 + 2 * rng.random(), 1),
                "Longitude": round(place.longitude_deg, 7),
                "Latitude": round(place.latitude_deg, 7),
                "DeviceId": self.device_id,
                "MessageId": rng.getrandbits(20),
                "SessionId": self._session_id,
                "BearingAccuracy": 0,
                "SpeedAccuracy": 0.5,
                "VerticalAccuracy": 3.5,
                "HorizontalAccuracy": leg.accuracy_m,
                "Bearing": round(leg.bearing_deg, 1),
            }
        ).decode()

    @property
    def _silence_ms(self) -> int:
        return self.next_report_ms - (self.last_report_ms or 0)

    def _next_error_m(self) -> tuple[float, float]:
        """The error of the next fix, to the east and to the north."""
        fresh = math.sqrt(1 - _NOISE_MEMORY**2)
        self._error_east = _NOISE_MEMORY * self._error_east + fresh * self._rng.gauss(0, 1)
        self._error_north = _NOISE_MEMORY * self._error_north + fresh * self._rng.gauss(0, 1)
        sigma_m = self._leg.accuracy_m / _SIGMAS_IN_ACCURACY
        length = math.hypot(self._error_east, self._error_north) or 1.0
        scale_m = sigma_m * min(1.0, 2 * _SIGMAS_IN_ACCURACY / length)
        return self._error_east * scale_m, self._error_north * scale_m


def random_uuid(rng: Random) -> str:
    """A UUID (version 4) that the seed decides."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _time_to_gap_ms(rng: Random) -> int:
    return int(rng.expovariate(1 / _MEAN_TIME_TO_GAP_S) * 1000)
