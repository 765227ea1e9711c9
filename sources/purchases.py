"""Purchases whose truth is known: what the bank sends, and what a perfect detector ends with."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

import msgspec
from pyproj import Geod

from models.judgement import Verdict
from models.times import utc_datetime
from sources.phones import random_uuid
from sources.streets import CENTRE, HALF_WIDTH_M, Place

LEGIT_NEAR = "legit_near"
LEGIT_STALE = "legit_stale"
LEGIT_GLITCH = "legit_glitch"
LEGIT_LATE_LOCATION = "legit_late_location"
UNKNOWN_DEVICE = "unknown_device"

FRAUD_DISTANCES_M: Mapping[str, tuple[float, float]] = {
    "fraud_far": (50_000, 9_000_000),
    "fraud_near": (2_000, 50_000),
    "fraud_close": (600, 2_000),
}
GLITCH_DISTANCE_M = (400.0, 8_000.0)
TERMINAL_DISTANCE_M = 20.0
CLOCK_DIFFERENCE_MS = 1_000

_LEGIT_SHARES = {LEGIT_NEAR: 0.80, LEGIT_STALE: 0.08, LEGIT_GLITCH: 0.04, LEGIT_LATE_LOCATION: 0.08}
_FRAUD_SHARES = {"fraud_far": 0.4, "fraud_near": 0.4, "fraud_close": 0.2}
_MERCHANT_CATEGORIES = ("Entertainment", "Travel", "Retail", "Restaurant", "Online")
_TEST_CARD_PREFIX = "400000"  # no bank issues it; payment processors use it for test cards
_WGS84 = Geod(ellps="WGS84")
_ENCODER = msgspec.json.Encoder()


def category_shares(fraud_share: float, unknown_device_share: float) -> dict[str, float]:
    """The share of each category among the transactions."""
    legit_share = 1 - fraud_share - unknown_device_share
    return (
        {category: share * legit_share for category, share in _LEGIT_SHARES.items()}
        | {category: share * fraud_share for category, share in _FRAUD_SHARES.items()}
        | {UNKNOWN_DEVICE: unknown_device_share}
    )


def expected_verdict(category: str) -> Verdict:
    """The verdict that a perfect detector ends with."""
    if category == UNKNOWN_DEVICE:
        return "no_location"
    return "flagged" if category in FRAUD_DISTANCES_M else "cleared"


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose phone and card it is. All made up; the card number passes Luhn's check and is a test number."""

    device_id: str
    user_id: str
    name: str
    card_number: str

    @classmethod
    def random(cls, rng: Random) -> "Customer":
        """Somebody new."""
        user_id = f"{rng.getrandbits(32):08X}"
        digits = f"{_TEST_CARD_PREFIX}{rng.randrange(10**9):09d}"
        return cls(
            device_id=random_uuid(rng),
            user_id=user_id,
            name=f"Customer {user_id[-3:]}",
            card_number=digits + luhn_digit(digits),
        )


def transaction_value(
    rng: Random, customer: Customer, transaction_id: str, time_ms: int, place: Place
) -> str:
    """The text of a transaction, as the bank sends it."""
    merchant = rng.randrange(1, 400)
    return _ENCODER.encode(
        {
            "Transaction ID": transaction_id,
            "User ID": customer.user_id,
            "Device ID": customer.device_id,
            "Name": customer.name,
            "Timestamp": utc_datetime(time_ms * 1_000_000).isoformat(timespec="microseconds")[:26],
            "Amount": round(rng.lognormvariate(3.3, 1.1), 2),
            "Card Number": customer.card_number,
            "Merchant ID": str(700_000_000 + merchant * 1_009),
            "Merchant": f"Merchant {merchant}",
            "Merchant_category": _MERCHANT_CATEGORIES[merchant % len(_MERCHANT_CATEGORIES)],
            "Location Latitude": f"{place.latitude_deg:.6f}",
            "Location Longitude": f"{place.longitude_deg:.6f}",
            "Transaction Type": rng.choice(("online", "in-store")),
            "Transaction_device": rng.choice(("mobile", "tablet")),
        }
    ).decode()


def shop_place(rng: Random, category: str, phone_place: Place) -> Place:
    """Where the card is used: some metres from the phone, or as far off as the category says."""
    if category in FRAUD_DISTANCES_M:
        return away(rng, phone_place, FRAUD_DISTANCES_M[category])
    return phone_place.moved(
        rng.uniform(-TERMINAL_DISTANCE_M, TERMINAL_DISTANCE_M) * 0.7,
        rng.uniform(-TERMINAL_DISTANCE_M, TERMINAL_DISTANCE_M) * 0.7,
    )


def away(rng: Random, place: Place, distances_m: tuple[float, float]) -> Place:
    """A point in any direction, at a distance in that range, its logarithm uniform."""
    nearest_m, furthest_m = distances_m
    distance_m = nearest_m * (furthest_m / nearest_m) ** rng.random()
    longitude_deg, latitude_deg, _ = _WGS84.fwd(
        place.longitude_deg, place.latitude_deg, rng.uniform(0, 360), distance_m
    )
    return Place(float(latitude_deg), float(longitude_deg))


def anywhere(rng: Random) -> Place:
    """A point in the city."""
    return CENTRE.moved(rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M), rng.uniform(-HALF_WIDTH_M, HALF_WIDTH_M))


def luhn_digit(digits: str) -> str:
    """The check digit that ISO/IEC 7812 wants behind `digits`."""
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)
