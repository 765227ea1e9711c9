"""Customers with their devices, and who of them is in the right position for a story."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sources.simulation.categories import Category
from sources.simulation.customers import Account, Customer
from sources.simulation.phones import Phone, Tablet
from sources.simulation.routine import HOUR_MS, Life, Routine
from sources.simulation.towns import Town

_TABLET_SHARE = 0.3
_TRIES = 50
_REST_MS = 60_000  # so long a phone shows no oddity after another, or busy phones would always be odd
_FASTEST_MPS = 320.0  # faster than any airliner
_FURTHEST_NEAREST_M = 10_000_000.0  # of a place out of reach: it must still find room on the earth
_TOWN_M = 50_000.0

_TRAVELLER_SHARE = 0.4  # the others keep the town alive
_BETWEEN_FLIGHTS_MS = 6 * HOUR_MS
# These need a phone whose stream holds nothing odd. The others are odd themselves and keep their distance.
_CLEAR_CUT = {
    Category.FRAUD_FAR,
    Category.FRAUD_NEAR,
    Category.FRAUD_CLOSE,
    Category.CARD_TESTING,
}
_FLIGHTS = {Category.LEGIT_FLIGHT, Category.FRAUD_AFTER_FLIGHT}


@dataclass(frozen=True, slots=True, eq=False)
class Resident:
    """A customer, the phone that they carry, and perhaps a tablet at home."""

    customer: Customer
    phone: Phone
    tablet: Tablet | None
    travels: bool

    @classmethod
    def random(cls, rng: Random, town: Town, start_ms: int) -> "Resident":
        """Somebody who lives in a town."""
        life = Life.random(rng, town)
        phone = Phone(rng, Routine(rng, life, start_ms), start_ms)
        tablet = None
        if rng.random() < _TABLET_SHARE:
            tablet = Tablet(rng, Routine(rng, life, start_ms, goes_out=False), start_ms)
        return cls(Customer.random(rng), phone, tablet, rng.random() < _TRAVELLER_SHARE)

    @property
    def account(self) -> Account:
        """Known by the phone."""
        return Account(self.customer, self.phone.device_id, self.phone.kind)


def find(rng: Random, residents: Sequence[Resident], category: Category, now_ms: int) -> Resident | None:
    """Somebody who suits a category now; None where nobody of many does."""
    for _ in range(_TRIES):
        resident = residents[int(rng.random() * len(residents))]
        if suits(category, resident, now_ms):
            return resident
    return None


def find_in_shop(rng: Random, residents: Sequence[Resident], tries: int) -> Resident | None:
    """Somebody who was in a shop when the phone was last asked."""
    for _ in range(tries):
        resident = residents[int(rng.random() * len(residents))]
        phone = resident.phone
        if phone.is_reporting and phone.routine.shop_now and not phone.drift.fixes_left:
            return resident
    return None


def suits(category: Category, resident: Resident, now_ms: int) -> bool:
    """Whether a purchase of that category can be made near the phone now."""
    phone = resident.phone
    match category:
        case Category.LEGIT_NEAR:
            return phone.is_reporting and not phone.drift.fixes_left
        case Category.LEGIT_TABLET:
            tablet = resident.tablet
            return tablet is not None and tablet.is_reporting and phone.routine.is_home
        case Category.LEGIT_STALE:
            return phone.is_in_gap
        case Category.FRAUD_STALE:
            return phone.is_in_gap and out_of_reach_m(phone, now_ms) <= _FURTHEST_NEAREST_M
    calm_from_ms = phone.disturbed_until_ms
    if category not in _CLEAR_CUT:
        calm_from_ms += _REST_MS
    if category in _FLIGHTS:
        if not resident.travels:
            return False
        calm_from_ms = max(calm_from_ms, phone.flies_until_ms + _BETWEEN_FLIGHTS_MS)
    return phone.is_reporting and now_ms >= calm_from_ms


def out_of_reach_m(phone: Phone, now_ms: int) -> float:
    """How far from a phone in a gap nobody can be who was, or will be, at an end of the gap."""
    before_ms, after_ms = now_ms - (phone.last_report_ms or 0), phone.next_report_ms - now_ms
    return _TOWN_M + _FASTEST_MPS * (max(before_ms, after_ms) / 1000 + 2)
