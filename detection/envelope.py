"""The profile `envelope`: flag what the phone cannot have reached."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import compress
from operator import not_
from typing import Final

import msgspec

from detection.fix import Fix
from detection.fix_code import (
    LATITUDE_ORIGIN,
    LONGITUDE_ORIGIN,
    TICKS_PER_S,
    Words,
    decode,
    last_of,
    speed_mps,
    tick_of,
    words_at,
)
from detection.geodesy import distance_m
from detection.good_fixes import UNITS_PER_DEGREE, UNITS_PER_DIAGONAL_M, Chains
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
# side of UNITS_PER_DIAGONAL_M for each metre, its corners lie within these metres. Over the antimeridian no
# fix is in a square, which costs time only.

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


class _Use:
    """A use of a card, also in the units of a fix's code."""

    __slots__ = ("latitude", "latitude_deg", "longitude", "longitude_deg", "tick", "time_ns")

    def __init__(self, time_ns: int, latitude_deg: float, longitude_deg: float) -> None:
        self.time_ns = time_ns
        self.tick = tick_of(time_ns)
        self.latitude_deg = latitude_deg
        self.longitude_deg = longitude_deg
        self.latitude = int(latitude_deg * UNITS_PER_DEGREE) + LATITUDE_ORIGIN
        self.longitude = int(longitude_deg * UNITS_PER_DEGREE) + LONGITUDE_ORIGIN

    def s_after(self, fix: Fix) -> float:
        """Seconds from a fix to the use; negative where the fix is later."""
        return (self.time_ns - fix.event_time_ns) / 1e9

    def apart_ticks(self, code: Words) -> int:
        """How far a fix is away in time, by its code."""
        return abs((code[0] << 8 | code[1]) - self.tick)


class Envelope:
    """Judges transactions by the tracks of their devices, with the constants of a profile. Immutable."""

    __slots__ = ("_beside", "_beside_deg", "_chains", "profile")

    def __init__(self, profile: EnvelopeProfile) -> None:
        self.profile = profile
        self._chains = Chains(profile)
        # Whole units: integers compare in half the time. What drift and terminal alone explain.
        self._beside = int((profile.drift_m + profile.terminal_m) * UNITS_PER_DIAGONAL_M)
        self._beside_deg = self._beside / UNITS_PER_DEGREE

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
        use = _Use(time_ns, latitude_deg, longitude_deg)
        count = self.profile.agreeing_fixes
        near, held = track.dense_near(use.tick, _NEAR_BUCKETS), None
        if len(near) < count:
            held = track.sorted_codes()
            split = bisect_left(held, last_of(use.tick))
            near = [words_at(code) for code in reversed(held[max(split - count, 0) : split + count])]
        # Where there are fewer than it takes, these are all: no chain of them can say impossible.
        if near and self._all_agree(near, use):
            return self._cleared(_last_before(near, use.tick), use)
        return self._by_chain(track.sorted_codes() if held is None else held, use)

    def may_change(self, verdict: Verdict, place: Place, elapsed_s: float, fix: Fix) -> bool:
        """Whether a fix speaks against the provisional verdict on a transaction: then judge it again.

        The transaction was at `place`, `elapsed_s` after the fix. A hint that costs less than a judgement.
        Where it is False the verdict may still change, because the fix may support others: the final
        judgement finds that out.
        """
        if verdict == "no_location":
            return True
        away_deg = max(
            abs(fix.latitude_deg - place.latitude_deg), abs(fix.longitude_deg - place.longitude_deg)
        )
        speaks_for = (
            self._is_surely_reached(away_deg * UNITS_PER_DEGREE, fix.speed_mps, abs(elapsed_s))
            or self._measure(fix, place, elapsed_s).excess_m <= 0.0
        )
        return speaks_for == (verdict == "flagged")

    def is_beside(self, one: Place, other: Place) -> bool:
        """Whether drift and the terminal alone explain the distance; False where a geodesic has to tell."""
        return (
            abs(one.latitude_deg - other.latitude_deg) < self._beside_deg
            and abs(one.longitude_deg - other.longitude_deg) < self._beside_deg
        )

    def _all_agree(self, near: list[Words], use: _Use) -> bool:
        """Whether the phone can have been there by each of those fixes."""
        for code in near:
            if not self._surely_reaches(code, use) and self._hold(decode(code), use).excess_m > 0.0:
                return False
        return True

    def _surely_reaches(self, code: Words, use: _Use) -> bool:
        """The same by one fix, without a geodesic: True for most that agree."""
        away = max(abs(code[4] - use.latitude), abs(code[5] - use.longitude))
        if away < self._beside:
            return True
        return self._is_surely_reached(away, speed_mps(code), use.apart_ticks(code) / TICKS_PER_S)

    def _is_surely_reached(self, away: float, reported_mps: float | None, elapsed_s: float) -> bool:
        """Whether what lies `away` units lies in a square all of which the phone can have reached.

        The square knows nothing of radii, and its phone gains no speed beyond an airliner's: it is smaller
        than it could be.
        """
        profile = self.profile
        start_mps = profile.tolerance_mps
        if reported_mps is not None and reported_mps > 0.0:
            start_mps += reported_mps
        gaining_s = min(elapsed_s, (profile.airliner_mps - start_mps) / profile.acceleration_mps2)
        travelled_m = (start_mps + profile.acceleration_mps2 / 2 * gaining_s) * gaining_s
        return away < self._beside + travelled_m * UNITS_PER_DIAGONAL_M

    def _by_chain(self, held: list[bytes], use: _Use) -> Judgement:
        """Judge by the good fixes next to the transaction: one that says impossible is enough."""
        if not held:
            return self._never_seen()
        split, count = bisect_left(held, last_of(use.tick)), self.profile.chain_fixes
        start = max(split - count, 0)
        codes = [words_at(code) for code in held[start : split + count]]
        is_good = self._chains.good_fixes(codes)
        good = list(compress(codes, is_good))
        after, judged = sum(is_good[: split - start]), self.profile.judged_fixes
        judging = good[max(after - judged, 0) : after + judged]
        fixes = [decode(code) for code in judging]
        beyond = [
            measure
            for code, fix in zip(judging, fixes, strict=True)
            if not self._surely_reaches(code, use) and (measure := self._hold(fix, use)).excess_m > 0.0
        ]
        nearest = self._hold(min(fixes, key=lambda fix: abs(use.s_after(fix))), use)
        refused = sorted(compress(codes, map(not_, is_good)), key=use.apart_ticks)[:_SHOWN_REFUSED]
        return self._judgement(
            max(beyond, key=_excess_m) if beyond else nearest,
            fixes,
            [decode(code) for code in refused],
            self._reasons(beyond, are_refused=bool(refused), nearest_s=abs(nearest.elapsed_s)),
        )

    def _hold(self, fix: Fix, use: _Use) -> _Measure:
        return self._measure(fix, use, use.s_after(fix))

    def _measure(self, fix: Fix, place: Place, elapsed_s: float) -> _Measure:
        profile = self.profile
        away_m = distance_m(fix.latitude_deg, fix.longitude_deg, place.latitude_deg, place.longitude_deg)
        return _Measure(
            fix,
            away_m,
            elapsed_s,
            away_m - radius_m(fix, profile) - profile.terminal_m,
            profile.drift_m + reach_m(fix, abs(elapsed_s) + profile.clock_tolerance_s, profile),
        )

    def _cleared(self, code: Words, use: _Use) -> Judgement:
        """The verdict that most transactions get."""
        measure = self._hold(decode(code), use)
        is_stale = abs(measure.elapsed_s) > self.profile.stale_s
        return self._judgement(measure, (), (), _CLEARED_BUT_STALE if is_stale else _CLEARED)

    def _judgement(
        self, decisive: _Measure, others: Sequence[Fix], refused: Sequence[Fix], reasons: tuple[str, ...]
    ) -> Judgement:
        effective_s = abs(decisive.elapsed_s) + self.profile.clock_tolerance_s
        required_m = max(decisive.required_m, 0.0)
        return Judgement(
            "flagged" if decisive.required_m > decisive.possible_m else "cleared",
            reasons,
            decisive.distance_m,
            decisive.elapsed_s,
            required_m / effective_s,
            decisive.fix.speed_mps,
            decisive.possible_m / effective_s,
            required_m,
            decisive.possible_m,
            (_used(decisive.fix), *[_used(fix) for fix in others if fix is not decisive.fix]),
            tuple([_used(fix) for fix in refused]),
            self.profile.name,
            self.profile.version,
        )

    def _reasons(self, beyond: Sequence[_Measure], *, are_refused: bool, nearest_s: float) -> tuple[str, ...]:
        reasons: tuple[str, ...] = (WITHIN_REACH,)
        if beyond:
            elapsed_s = [measure.elapsed_s for measure in beyond]
            reasons = (
                *((BEYOND_FIX_BEFORE,) if max(elapsed_s) >= 0.0 else ()),
                *((BEYOND_FIX_AFTER,) if min(elapsed_s) < 0.0 else ()),
            )
        if are_refused:
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
