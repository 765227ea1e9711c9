"""What a profile is to those who use it."""

from datetime import datetime
from typing import Protocol, TypeVar

from models.decision import Decision
from models.judgement import Judgement
from models.location_fix import LocationFix

S = TypeVar("S")  # what the rule remembers of a device; frozen


class Place(Protocol):
    """Somewhere on the Earth."""

    @property
    def latitude_deg(self) -> float: ...  # noqa: D102
    @property
    def longitude_deg(self) -> float: ...  # noqa: D102


class PlaceAndTime(Place, Protocol):
    """Where and when a card was used: a Transaction, or the Decision on one."""

    @property
    def event_time(self) -> datetime: ...  # noqa: D102


class Rule(Protocol[S]):
    """Judges uses of a card by what it remembers of the customer's phone."""

    @property
    def awaits_locations(self) -> bool:
        """Whether locations that come after a transaction count: its first verdict is then provisional."""

    def after(self, state: S | None, fix: LocationFix) -> S:
        """What is remembered once `fix` was seen, too: `state` itself where that changes nothing."""

    def judge(self, use: PlaceAndTime, state: S | None, /) -> Judgement:
        """Judge by what is remembered of the device; None where no location of it was ever seen."""

    def looks_between(self, decision: Decision) -> tuple[datetime, datetime]:
        """The times of locations that `may_change` is to be asked about, first and last."""

    def may_change(self, decision: Decision, fix: LocationFix) -> bool:
        """Whether a new location may change a provisional decision. A hint that costs less than a verdict."""
