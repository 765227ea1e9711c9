"""The profile `envelope` as a rule: tracks of devices, and the envelope around them."""

from typing import Final

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

    def may_change(self, decision: Decision, fix: LocationFix) -> bool:
        """Whether a location speaks against the verdict, and lies near enough in time to count."""
        stands_on_s = decision.elapsed_s
        if stands_on_s is None:
            return True
        # Asked of each location for each open transaction of its phone: what is most likely comes first.
        near_s, away_s = self._near_s, (fix.event_time - decision.transaction_time).total_seconds()
        if not -near_s <= away_s <= near_s and (
            -near_s <= stands_on_s <= near_s or abs(away_s) >= abs(stands_on_s)
        ):
            return False
        if self._envelope.is_beside(decision, fix):
            return decision.verdict != "cleared"
        return self._envelope.may_change(
            decision.verdict,
            epoch_ns(decision.transaction_time),
            decision.latitude_deg,
            decision.longitude_deg,
            _fix_of(fix),
        )


def _fix_of(fix: LocationFix) -> Fix:
    return Fix(
        fix.event_time_ns, fix.latitude_deg, fix.longitude_deg, fix.speed_mps, fix.horizontal_accuracy_m
    )
