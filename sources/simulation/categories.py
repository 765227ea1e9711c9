"""What a purchase can be in truth, how often it is, and what a perfect detector of places ends with."""

from collections.abc import Mapping
from enum import StrEnum

from models.judgement import Verdict


class Category(StrEnum):
    """The truth of a transaction; docs/simulator.md says what each is."""

    LEGIT_NEAR = "legit_near"
    LEGIT_TABLET = "legit_tablet"
    LEGIT_STALE = "legit_stale"
    LEGIT_GLITCH = "legit_glitch"
    LEGIT_COARSE_FIX = "legit_coarse_fix"
    LEGIT_DRIFT = "legit_drift"
    LEGIT_LATE_LOCATION = "legit_late_location"
    LEGIT_LATE_ARRIVAL = "legit_late_arrival"
    LEGIT_FLIGHT = "legit_flight"
    FRAUD_FAR = "fraud_far"
    FRAUD_NEAR = "fraud_near"
    FRAUD_CLOSE = "fraud_close"
    FRAUD_STALE = "fraud_stale"
    FRAUD_LATE_ARRIVAL = "fraud_late_arrival"
    FRAUD_SPOOFED_FIX = "fraud_spoofed_fix"
    FRAUD_AFTER_FLIGHT = "fraud_after_flight"
    CARD_TESTING = "card_testing"
    CARD_TESTING_UNKNOWN = "card_testing_unknown"
    UNKNOWN_DEVICE = "unknown_device"

    @property
    def expected(self) -> Verdict:
        """The verdict that a perfect detector ends with, which knows where phones were and nothing else."""
        if self in {Category.UNKNOWN_DEVICE, Category.CARD_TESTING_UNKNOWN}:
            return "no_location"
        return "cleared" if self.startswith("legit") else "flagged"


# Of the honest purchases, and of the fraudulent ones without card testing.
_LEGIT_SHARES = {
    Category.LEGIT_NEAR: 0.66,
    Category.LEGIT_TABLET: 0.05,
    Category.LEGIT_STALE: 0.06,
    Category.LEGIT_GLITCH: 0.04,
    Category.LEGIT_COARSE_FIX: 0.04,
    Category.LEGIT_DRIFT: 0.04,
    Category.LEGIT_LATE_LOCATION: 0.06,
    Category.LEGIT_LATE_ARRIVAL: 0.03,
    Category.LEGIT_FLIGHT: 0.02,
}
_FRAUD_SHARES = {
    Category.FRAUD_FAR: 0.26,
    Category.FRAUD_NEAR: 0.26,
    Category.FRAUD_CLOSE: 0.12,
    Category.FRAUD_STALE: 0.12,
    Category.FRAUD_LATE_ARRIVAL: 0.06,
    Category.FRAUD_SPOOFED_FIX: 0.12,
    Category.FRAUD_AFTER_FLIGHT: 0.06,
}


def category_shares(fraud_share: float, unknown_device_share: float) -> Mapping[Category, float]:
    """The share of each category among the transactions, card testing left out."""
    legit_share = 1 - fraud_share - unknown_device_share
    return (
        {category: share * legit_share for category, share in _LEGIT_SHARES.items()}
        | {category: share * fraud_share for category, share in _FRAUD_SHARES.items()}
        | {Category.UNKNOWN_DEVICE: unknown_device_share}
    )
