"""Customers with their devices, and who of them is in the right position for a story."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sources.simulation.categories import Category
from sources.simulation.customers import Account, Customer
from sources.simulation.phones import Phone, Tablet
from sources.simulation.routine import Life, Routine
from sources.simulation.towns import Town

_TABLET_SHARE = 0.3
_TRIES = 50
_REST_MS = (
    60_000  # after an oddity a phone shows no other one for as long, or busy phones would always be odd
)
_FASTEST_MPS = 320.0  # faster than any airliner
_FURTHEST_NEAREST_M = 10_000_000.0  # of a place out of reach: it must still find room on the earth
_TOWN_M = 50_000.0

_IN_ANY_CASE = {Category.LEGIT_NEAR, Category.LEGIT_LATE_ARRIVAL}
_PLAIN_FRAUDS = {
    Category.FRAUD_FAR,
    Category.FRAUD_NEAR,
    Category.FRAUD_CLOSE,
    Category.FRAUD_LATE_ARRIVAL,
    Category.CARD_TESTING,
}


@dataclass(frozen=True, slots=True, eq=False)
class Resident:
    """A customer, the phone that they carry, and perhaps a tablet at home."""

    customer: Customer
    phone: Phone
    tablet: Tablet | None

    @classmethod
    def random(cls, rng: Random, town: Town, start_ms: int) -> "Resident":
        """Somebody who lives in a town."""
        life = Life.random(rng, town)
        phone = Phone(rng, Routine(rng, life, start_ms), start_ms)
        tablet = None
        if rng.random() < _TABLET_SHARE:
            tablet = Tablet(rng, Routine(rng, life, start_ms, goes_out=False), start_ms)
        return cls(Customer.random(rng), phone, tablet)

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
        if resident.phone.is_reporting and resident.phone.routine.shop_now:
            return resident
    return None


def suits(category: Category, resident: Resident, now_ms: int) -> bool:
    """Whether a purchase of that category can be made near the phone now."""
    phone = resident.phone
    if category == Category.LEGIT_STALE:
        return phone.is_in_gap
    if category == Category.FRAUD_STALE:
        return phone.is_in_gap and out_of_reach_m(phone, now_ms) <= _FURTHEST_NEAREST_M
    if not phone.is_reporting or category in _IN_ANY_CASE:
        return phone.is_reporting
    if category == Category.LEGIT_TABLET:
        return bool(resident.tablet and resident.tablet.is_reporting and phone.routine.is_home)
    if category in _PLAIN_FRAUDS:
        return now_ms >= phone.disturbed_until_ms
    has_rested = now_ms >= phone.disturbed_until_ms + _REST_MS
    return has_rested and now_ms // 1000 * 1000 != phone.last_report_ms


def out_of_reach_m(phone: Phone, now_ms: int) -> float:
    """How far from a phone in a gap nobody can be who was, or will be, at an end of the gap."""
    before_ms, after_ms = now_ms - (phone.last_report_ms or 0), phone.next_report_ms - now_ms
    return _TOWN_M + _FASTEST_MPS * (max(before_ms, after_ms) / 1000 + 2)
