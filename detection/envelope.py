"""The profile `envelope`: flag what the phone cannot have reached."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from math import sqrt
from typing import Final

import msgspec

from detection.fix import Fix
from detection.fix_code import (
    LATITUDE_ORIGIN,
    LONGITUDE_ORIGIN,
    TICKS_PER_S,
    Words,
    decode,
    speed_mps,
    tick_of,
)
from detection.geodesy import distance_m
from detection.good_fixes import LONGEST_DEGREE_M, good_fixes
from detection.profile import EnvelopeProfile
from detection.reach import radius_m, reach_m
from detection.rule import Place
from detection.track import Track
from models.judgement import Judgement, UsedFix, Verdict

NEVER_SEEN: Final = "device_never_seen"
WITHIN_REACH: Final = "within_reach"
BEYOND_FIX_BEFORE: Final = "beyond_reach_of_fix_before"
BEYOND_FIX_AFTER: Final = "beyond_reach_of_fix_after"
FIXES_REFUSED: Final = "fixes_refused"
STALE: Final = "no_fix_near_in_time"

_CLEARED: Final = (WITHIN_REACH,)
_CLEARED_BUT_STALE: Final = (WITHIN_REACH, STALE)

# The buckets of the dense ring that are asked first, latest first: those around the transaction, and one
# nearly a minute before, so that half a minute of false fixes at the shop is not the only witness.
_NEAR_BUCKETS: Final = (1, 0, -1, -2, -7)

# A square around a transaction, in units of a code's latitude and longitude, needs no geodesic: with half a
# side of so many units for each metre, its corners lie within these metres, because no degree is longer than
# LONGEST_DEGREE_M. Over the antimeridian no fix is in a square, which costs time only.
_UNITS_PER_M: Final = 1e7 / LONGEST_DEGREE_M / sqrt(2)

_SHOWN_REFUSED: Final = 4  # in the evidence: those nearest in time


class _Measure(msgspec.Struct, frozen=True, gc=False):
    """One fix held against a transaction; `elapsed_s` is negative where the fix is later."""

    fix: Fix
    distance_m: float
    elapsed_s: float
    required_m: float
    possible_m: float

    @property
    def excess_m(self) -> float:
        """Above 0 where the phone cannot have been at the transaction."""
        return self.required_m - self.possible_m


class Envelope:
    """Judges transactions by the tracks of their devices, with the constants of a profile. Immutable."""

    __slots__ = ("_beside", "_beside_deg", "profile")

    def __init__(self, profile: EnvelopeProfile) -> None:
        self.profile = profile
        # Whole units: integers compare in half the time. What drift and terminal alone explain.
        self._beside = int((profile.drift_m + profile.terminal_m) * _UNITS_PER_M)
        self._beside_deg = self._beside / 1e7

    def judge(
        self, time_ns: int, latitude_deg: float, longitude_deg: float, track: Track | None
    ) -> Judgement:
        """Judge a transaction; `track` is None where no fix of the device was ever seen.

        A function of the transaction and the set of fixes in the track, hence the same after any order of
        arrival, repeat and recovery.

        Most transactions agree with all fixes in the buckets next to them and are cleared by these. Of a
        phone that reports seldom, the next fixes in time are asked; where one disagrees, the chain.
        """
        if track is None:
            return self._never_seen()
        tick = tick_of(time_ns)
        near = track.dense_near(tick, _NEAR_BUCKETS)
        if len(near) < self.profile.agreeing_fixes:
            near = track.dense_next_to(tick, self.profile.agreeing_fixes)
        return self._if_agreed(near, tick, time_ns, latitude_deg, longitude_deg) or self._by_chain(
            track.sorted_words(), tick, time_ns, latitude_deg, longitude_deg
        )

    def may_change(
        self, verdict: Verdict, time_ns: int, latitude_deg: float, longitude_deg: float, fix: Fix
    ) -> bool:
        """Whether a fix speaks against the provisional verdict on a transaction: then judge it again.

        A hint that costs less than a judgement. Where it is False the verdict may still change, because the
        fix may support others: the final judgement finds that out.
        """
        if verdict == "no_location":
            return True
        excess_m = self._measure(fix, time_ns, latitude_deg, longitude_deg).excess_m
        return (excess_m > 0.0) == (verdict == "cleared")

    def is_beside(self, one: Place, other: Place) -> bool:
        """Whether drift and the terminal alone explain the distance; False where a geodesic has to tell."""
        return (
            abs(one.latitude_deg - other.latitude_deg) < self._beside_deg
            and abs(one.longitude_deg - other.longitude_deg) < self._beside_deg
        )

    def _if_agreed(
        self, near: list[Words], tick: int, time_ns: int, latitude_deg: float, longitude_deg: float
    ) -> Judgement | None:
        """Clear a transaction that enough fixes next to it, latest first, agree with, if all of them do."""
        if len(near) < self.profile.agreeing_fixes:
            return None
        latitude = int(latitude_deg * 1e7) + LATITUDE_ORIGIN
        longitude = int(longitude_deg * 1e7) + LONGITUDE_ORIGIN
        south, north = latitude - self._beside, latitude + self._beside
        west, east = longitude - self._beside, longitude + self._beside
        for code in near:
            if south < code[4] < north and west < code[5] < east:
                continue
            within = self._within_reach(code, tick)
            if abs(code[4] - latitude) < within and abs(code[5] - longitude) < within:
                continue
            if self._measure(decode(code), time_ns, latitude_deg, longitude_deg).excess_m > 0.0:
                return None
        fix = decode(_last_before(near, tick))
        return self._cleared(self._measure(fix, time_ns, latitude_deg, longitude_deg))

    def _within_reach(self, code: Words, tick: int) -> float:
        """Half a side of a square, in units of a code, all of which the phone can have reached at a tick.

        It knows nothing of radii and gains no speed beyond an airliner's, so it is smaller than it could be.
        """
        profile = self.profile
        start_mps = (speed_mps(code) or 0.0) + profile.tolerance_mps
        elapsed_s = min(
            abs((code[0] << 8 | code[1]) - tick) / TICKS_PER_S,
            (profile.airliner_mps - start_mps) / profile.acceleration_mps2,
        )
        return (
            self._beside + (start_mps + profile.acceleration_mps2 / 2 * elapsed_s) * elapsed_s * _UNITS_PER_M
        )

    def _by_chain(
        self, held: list[Words], tick: int, time_ns: int, latitude_deg: float, longitude_deg: float
    ) -> Judgement:
        """Judge by the good fixes next to the transaction on either side."""
        if not held:
            return self._never_seen()
        split, count, judged = _first_after(held, tick), self.profile.chain_fixes, self.profile.judged_fixes
        start = max(split - count, 0)
        fixes = [decode(code) for code in held[start : split + count]]
        is_good = good_fixes(fixes, self.profile)
        before = [fix for fix, good in zip(fixes[: split - start], is_good, strict=False) if good]
        after = [
            fix for fix, good in zip(fixes[split - start :], is_good[split - start :], strict=True) if good
        ]
        measures = [
            self._measure(fix, time_ns, latitude_deg, longitude_deg)
            for fix in (*before[-judged:], *after[:judged])
        ]
        refused = [fix for fix, good in zip(fixes, is_good, strict=True) if not good]
        refused.sort(key=lambda fix: abs(fix.event_time_ns - time_ns))
        return self._judgement(measures, refused[:_SHOWN_REFUSED])

    def _measure(self, fix: Fix, time_ns: int, latitude_deg: float, longitude_deg: float) -> _Measure:
        profile = self.profile
        away_m = distance_m(fix.latitude_deg, fix.longitude_deg, latitude_deg, longitude_deg)
        elapsed_s = (time_ns - fix.event_time_ns) / 1e9
        return _Measure(
            fix,
            away_m,
            elapsed_s,
            away_m - radius_m(fix, profile) - profile.terminal_m,
            profile.drift_m + reach_m(fix, abs(elapsed_s) + profile.clock_tolerance_s, profile),
        )

    def _cleared(self, measure: _Measure) -> Judgement:
        """The verdict that most transactions get, without what only the others need."""
        profile = self.profile
        apart_s = abs(measure.elapsed_s)
        return Judgement(
            verdict="cleared",
            reasons=_CLEARED if apart_s <= profile.stale_s else _CLEARED_BUT_STALE,
            distance_m=measure.distance_m,
            elapsed_s=measure.elapsed_s,
            implied_speed_mps=max(measure.required_m, 0.0) / (apart_s + profile.clock_tolerance_s),
            reported_speed_mps=measure.fix.speed_mps,
            allowed_speed_mps=measure.possible_m / (apart_s + profile.clock_tolerance_s),
            required_m=max(measure.required_m, 0.0),
            possible_m=measure.possible_m,
            fixes=(_used(measure.fix),),
            refused=(),
            profile=profile.name,
            profile_version=profile.version,
        )

    def _judgement(self, measures: Sequence[_Measure], refused: Sequence[Fix]) -> Judgement:
        """Put a verdict together from good fixes: one that says impossible is enough."""
        decisive, flagged = measures[0], measures[0].excess_m > 0.0
        nearest_s = abs(decisive.elapsed_s)
        if len(measures) > 1:
            worst, nearest = max(measures, key=_excess_m), min(measures, key=_nearness_s)
            flagged, nearest_s = worst.excess_m > 0.0, abs(nearest.elapsed_s)
            decisive = worst if flagged else nearest
        effective_s = abs(decisive.elapsed_s) + self.profile.clock_tolerance_s
        required_m = max(decisive.required_m, 0.0)
        return Judgement(
            verdict="flagged" if flagged else "cleared",
            reasons=self._reasons(measures, flagged=flagged, refused=refused, nearest_s=nearest_s),
            distance_m=decisive.distance_m,
            elapsed_s=decisive.elapsed_s,
            implied_speed_mps=required_m / effective_s,
            reported_speed_mps=decisive.fix.speed_mps,
            allowed_speed_mps=decisive.possible_m / effective_s,
            required_m=required_m,
            possible_m=decisive.possible_m,
            fixes=(_used(decisive.fix), *(_used(other.fix) for other in measures if other is not decisive)),
            refused=tuple(map(_used, refused)),
            profile=self.profile.name,
            profile_version=self.profile.version,
        )

    def _reasons(
        self, measures: Sequence[_Measure], *, flagged: bool, refused: Sequence[Fix], nearest_s: float
    ) -> tuple[str, ...]:
        reasons: tuple[str, ...] = (WITHIN_REACH,)
        if flagged:
            beyond = [measure.elapsed_s for measure in measures if measure.excess_m > 0.0]
            reasons = (
                *((BEYOND_FIX_BEFORE,) if max(beyond) >= 0.0 else ()),
                *((BEYOND_FIX_AFTER,) if min(beyond) < 0.0 else ()),
            )
        if refused:
            reasons = (*reasons, FIXES_REFUSED)
        if nearest_s > self.profile.stale_s:
            reasons = (*reasons, STALE)
        return reasons

    def _never_seen(self) -> Judgement:
        return Judgement.without_location(
            reason=NEVER_SEEN, profile=self.profile.name, profile_version=self.profile.version
        )


def _last_before(near: list[Words], tick: int) -> Words:
    """Of codes given latest first, the first that is not later than a tick, else the earliest."""
    for code in near:
        if code[0] << 8 | code[1] <= tick:
            return code
    return near[-1]


def _first_after(held: list[Words], tick: int) -> int:
    """How many of the codes, which are in the order of time, are not later than a tick."""
    return bisect_left(held, (tick >> 8, tick & 255, 256, 0, 0, 0))  # no code has accuracy 256


def _nearness_s(measure: _Measure) -> float:
    return abs(measure.elapsed_s)


def _excess_m(measure: _Measure) -> float:
    return measure.excess_m


def _used(fix: Fix) -> UsedFix:
    # A float holds the thirty-seconds of a second of a fix's time exactly; half as dear as utc_datetime.
    return UsedFix(
        datetime.fromtimestamp(fix.event_time_ns / 1e9, UTC),
        fix.latitude_deg,
        fix.longitude_deg,
        fix.speed_mps,
        fix.accuracy_m,
    )
