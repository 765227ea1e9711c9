"""The rule of the paper: "Real-Time Smart Bank Data Streaming Capture" (SJSU, 2024), workflow 2."""

from datetime import datetime

import msgspec

from detection.geodesy import distance_m
from detection.profile import PaperProfile
from detection.rule import PlaceAndTime
from models.decision import Decision
from models.judgement import Judgement, UsedFix
from models.latest_location import LatestLocation
from models.location_fix import LocationFix

NEVER_SEEN = "device_never_seen"
TOO_FAST = "faster_than_reported"
WITHIN_REACH = "within_reported_speed"


class PaperRule(msgspec.Struct, frozen=True, kw_only=True):
    """Flag a transaction that lies further from the device's latest fix than its reported speed explains.

    Latest means last to arrive. Distance / |time difference| is the implied speed; it is 0 where both have
    the same time. Flagged above reported speed + the profile's `tolerance_mps`. A negative reported speed is
    taken as sent, as the paper's code does; a missing one as 0.
    """

    profile: PaperProfile = PaperProfile()

    @property
    def awaits_locations(self) -> bool:
        """False: it looks once, its first verdict is final."""
        return False

    def after(self, state: LatestLocation | None, fix: LocationFix) -> LatestLocation:  # noqa: ARG002
        """Remember the fix that arrived last."""
        return fix.latest

    def looks_between(self, decision: Decision) -> tuple[datetime, datetime]:
        """At none: all its decisions are final."""
        return decision.event_time, decision.event_time

    def may_change(self, decision: Decision, fix: LocationFix) -> bool:  # noqa: ARG002
        """Never: all its decisions are final."""
        return False

    def judge(self, use: PlaceAndTime, fix: LatestLocation | None) -> Judgement:
        """Judge by the device's latest fix; None where no fix of the device was ever seen."""
        if fix is None:
            return Judgement.without_location(
                reason=NEVER_SEEN, profile=self.profile.name, profile_version=self.profile.version
            )
        travelled_m = distance_m(fix.latitude_deg, fix.longitude_deg, use.latitude_deg, use.longitude_deg)
        elapsed_s = (use.event_time - fix.event_time).total_seconds()
        implied_mps = travelled_m / abs(elapsed_s) if elapsed_s else 0.0
        reported_mps = fix.speed_mps or 0.0
        allowed_mps = reported_mps + self.profile.tolerance_mps
        flagged = implied_mps > allowed_mps
        return Judgement(
            verdict="flagged" if flagged else "cleared",
            reasons=(TOO_FAST if flagged else WITHIN_REACH,),
            distance_m=travelled_m,
            elapsed_s=elapsed_s,
            implied_speed_mps=implied_mps,
            reported_speed_mps=fix.speed_mps,
            allowed_speed_mps=allowed_mps,
            required_m=None,
            possible_m=None,
            fixes=(
                UsedFix(
                    event_time=fix.event_time,
                    latitude_deg=fix.latitude_deg,
                    longitude_deg=fix.longitude_deg,
                    speed_mps=fix.speed_mps,
                    accuracy_m=fix.accuracy_m,
                ),
            ),
            refused=(),
            profile=self.profile.name,
            profile_version=self.profile.version,
        )
