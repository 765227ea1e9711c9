"""Customers with their devices, and who of them is in the right position for a story."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from sources.simulation.categories import Category
from sources.simulation.customers import Account, Customer
from sources.simulation.phones import Phone, Tablet
from sources.simulation.routine import HOUR_MS, Life, Routine
from sources.simulation.sky import Sky
from sources.simulation.towns import Town

_TABLET_SHARE = 0.3
_TRIES = 40
_TRIES_ON_ERRAND = 15
_REST_MS = 60_000  # so long a phone shows no oddity after another, or busy phones would always be odd
_FASTEST_MPS = 320.0  # faster than any airliner
_FURTHEST_NEAREST_M = 10_000_000.0  # of a place out of reach: it must still find room on the earth
_TOWN_M = 50_000.0
_EDGE_MS = 2_000

_TRAVELLER_SHARE = 0.4  # the others keep the town alive
_BETWEEN_FLIGHTS_MS = 6 * HOUR_MS


@dataclass(frozen=True, slots=True, eq=False)
class Resident:
    """A customer, the phone that they carry, and perhaps a tablet at home."""

    customer: Customer
    phone: Phone
    tablet: Tablet | None
    travels: bool

    @classmethod
    def random(cls, rng: Random, sky: Sky, town: Town, start_ms: int) -> "Resident":
        """Somebody who lives in a town."""
        life = Life.random(rng, town)
        phone = Phone(rng, sky, Routine(rng, life, start_ms), start_ms)
        tablet = None
        if rng.random() < _TABLET_SHARE:
            tablet = Tablet(rng, sky, Routine(rng, life, start_ms, goes_out=False), start_ms)
        return cls(Customer.random(rng), phone, tablet, rng.random() < _TRAVELLER_SHARE)

    @property
    def account(self) -> Account:
        """Known by the phone."""
        return Account(self.customer, self.phone.device_id, self.phone.kind)


def find(rng: Random, residents: Sequence[Resident], category: Category, now_ms: int) -> Resident | None:
    """Somebody who suits a category now; None where nobody of many does."""
    suits, count = SUITS[category], len(residents)
    for _ in range(_TRIES):
        resident = residents[int(rng.random() * count)]
        if suits(resident, now_ms):
            return resident
    return None


def find_on_errand(rng: Random, residents: Sequence[Resident]) -> Resident | None:
    """Somebody who has gone to a shop, as far as the phone was asked."""
    for _ in range(_TRIES_ON_ERRAND):
        resident = residents[int(rng.random() * len(residents))]
        phone = resident.phone
        if phone.is_reporting and phone.routine.is_on_an_errand and not phone.drift.fixes_left:
            return resident
    return None


def out_of_reach_m(phone: Phone, now_ms: int) -> float:
    """How far from a phone in a gap nobody can be who was, or will be, at an end of the gap."""
    before_ms, after_ms = now_ms - phone.last_report_ms, phone.next_report_ms - now_ms
    return _TOWN_M + _FASTEST_MPS * (max(before_ms, after_ms) / 1000 + 2)


def _reports(resident: Resident, _now_ms: int) -> bool:
    return resident.phone.is_reporting and not resident.phone.drift.fixes_left


def _is_clear_cut(resident: Resident, now_ms: int) -> bool:
    """Nothing odd is in the phone's stream."""
    return resident.phone.is_reporting and now_ms >= resident.phone.disturbed_until_ms


def _has_rested(resident: Resident, now_ms: int) -> bool:
    """Nothing odd has been in it for a while: it may begin."""
    return now_ms >= resident.phone.disturbed_until_ms + _REST_MS and resident.phone.is_reporting


def _may_fly(resident: Resident, now_ms: int) -> bool:
    is_back = now_ms >= resident.phone.flies_until_ms + _BETWEEN_FLIGHTS_MS
    return resident.travels and is_back and _has_rested(resident, now_ms)


def _is_on_the_sofa(resident: Resident, _now_ms: int) -> bool:
    tablet, phone = resident.tablet, resident.phone
    return tablet is not None and tablet.is_reporting and phone.is_reporting and phone.routine.is_home


def _is_in_gap(resident: Resident, now_ms: int) -> bool:
    """Also by a terminal's clock that is a second off."""
    phone = resident.phone
    return phone.is_in_gap and (phone.last_report_ms + _EDGE_MS <= now_ms <= phone.next_report_ms - _EDGE_MS)


def _is_in_gap_with_room(resident: Resident, now_ms: int) -> bool:
    return _is_in_gap(resident, now_ms) and out_of_reach_m(resident.phone, now_ms) <= _FURTHEST_NEAREST_M


SUITS: Mapping[Category, Callable[[Resident, int], bool]] = {
    Category.LEGIT_NEAR: _reports,
    Category.LEGIT_TABLET: _is_on_the_sofa,
    Category.LEGIT_STALE: _is_in_gap,
    Category.LEGIT_GLITCH: _has_rested,
    Category.LEGIT_COARSE_FIX: _has_rested,
    Category.LEGIT_DRIFT: _has_rested,
    Category.LEGIT_LATE_LOCATION: _has_rested,
    Category.LEGIT_LATE_ARRIVAL: _has_rested,
    Category.LEGIT_FLIGHT: _may_fly,
    Category.FRAUD_FAR: _is_clear_cut,
    Category.FRAUD_NEAR: _is_clear_cut,
    Category.FRAUD_CLOSE: _is_clear_cut,
    Category.FRAUD_STALE: _is_in_gap_with_room,
    Category.FRAUD_LATE_ARRIVAL: _has_rested,
    Category.FRAUD_SPOOFED_FIX: _has_rested,
    Category.FRAUD_AFTER_FLIGHT: _may_fly,
    Category.CARD_TESTING: _is_clear_cut,
}
"""Whether a purchase of that category can be made near the phone now; without the categories of strangers."""
