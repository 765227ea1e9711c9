"""The profile `envelope` as a rule: tracks of devices, and the envelope around them."""

from datetime import datetime, timedelta
from typing import Final

from detection.docket import ALWAYS
from detection.envelope import Envelope
from detection.fix import Fix
from detection.rule import PlaceAndTime
from detection.track import Track
from models.decision import Decision
from models.judgement import Judgement
from models.location_fix import LocationFix
from models.times import epoch_ns

_NO_FIXES: Final = Track()


class EnvelopeRule:
    """Judges by all that a phone reported around a transaction."""

    __slots__ = ("_envelope", "_near_s")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._near_s = envelope.profile.revise_s

    @property
    def awaits_locations(self) -> bool:
        """True: what the phone reports next counts, too."""
        return True

    def after(self, state: Track | None, fix: LocationFix) -> Track:
        """Put a location into the device's track."""
        return (_NO_FIXES if state is None else state).with_fix(_fix_of(fix))

    def judge(self, use: PlaceAndTime, track: Track | None) -> Judgement:
        """Judge by the device's track; None where no location of it was ever seen."""
        return self._envelope.judge(epoch_ns(use.event_time), use.latitude_deg, use.longitude_deg, track)

    def looks_between(self, decision: Decision) -> tuple[datetime, datetime]:
        """As near to the transaction as `revise_s`, or as the location that it stands on, if that is further.

        Between that one and the next lie others that were asked about.
        """
        if decision.elapsed_s is None:
            return ALWAYS
        near = timedelta(seconds=max(self._near_s, abs(decision.elapsed_s)))
        return decision.transaction_time - near, decision.transaction_time + near

    def may_change(self, decision: Decision, fix: LocationFix) -> bool:
        """Whether a location speaks against the verdict."""
        if self._envelope.is_beside(decision, fix):
            return decision.verdict != "cleared"
        elapsed_s = (decision.transaction_time - fix.event_time).total_seconds()
        return self._envelope.may_change(decision.verdict, decision, elapsed_s, _fix_of(fix))


def _fix_of(fix: LocationFix) -> Fix:
    return Fix(
        fix.event_time_ns, fix.latitude_deg, fix.longitude_deg, fix.speed_mps, fix.horizontal_accuracy_m
    )
