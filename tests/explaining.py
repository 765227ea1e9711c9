"""Decisions and fixes for tests of `explain`, near the place where tests' phones are."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.explaining.finding import SeenFix
from models.decision import Decision
from models.judgement import UsedFix

NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)
CARD_TOKEN = "k1:card-token"
USER_TOKEN = "k1:user-token"


def used_fix(*, before_s: float = 42.0, **changes: Any) -> UsedFix:
    """A report so long before noon."""
    fields = {"latitude_deg": 37.33, "longitude_deg": -121.89, "speed_mps": 1.0, "accuracy_m": 5.0}
    return UsedFix(event_time=NOON - timedelta(seconds=before_s), **{**fields, **changes})


def seen_fix(*, before_s: float = 42.0, delay_s: float = 1.0, **changes: Any) -> SeenFix:
    """The same as it lies on the topic, `delay_s` after it was taken."""
    fix = used_fix(before_s=before_s, **changes)
    return SeenFix(fix, round((fix.event_time.timestamp() + delay_s) * 1000))


def decision(**changes: Any) -> Decision:
    """A flagged transaction at noon, by the envelope, with the given fields changed."""
    fields: dict[str, Any] = {
        "verdict": "flagged",
        "reasons": ("beyond_reach_of_fix_before",),
        "distance_m": 12_455.0,
        "elapsed_s": 42.0,
        "implied_speed_mps": 288.372,
        "reported_speed_mps": 1.0,
        "allowed_speed_mps": 12.0,
        "required_m": 12_400.0,
        "possible_m": 516.0,
        "fixes": (used_fix(),),
        "refused": (),
        "profile": "envelope",
        "profile_version": 1,
        "transaction_id": "t-1",
        "device_id": "phone",
        "stage": "final",
        "revision": 2,
        "transaction_time": NOON,
        "latitude_deg": 37.44,
        "longitude_deg": -121.9,
        "amount": 4711.25,
        "card_token": CARD_TOKEN,
        "user_token": USER_TOKEN,
        "merchant_id": None,
        "merchant": None,
        "merchant_category": None,
        "transaction_type": None,
        "transaction_device": None,
        "received_ms": 1,
    }
    return Decision(**{**fields, **changes})


def paper(**changes: Any) -> Decision:
    """A transaction that the rule of the paper flagged."""
    fields: dict[str, Any] = {
        "reasons": ("faster_than_reported",),
        "distance_m": 840.0,
        "implied_speed_mps": 20.0,
        "allowed_speed_mps": 2.0,
        "required_m": None,
        "possible_m": None,
        "profile": "paper",
        "revision": 1,
    }
    return decision(**{**fields, **changes})


def unseen(**changes: Any) -> Decision:
    """A transaction of a device that had never reported."""
    nothing = dict.fromkeys(
        (
            "distance_m",
            "elapsed_s",
            "implied_speed_mps",
            "reported_speed_mps",
            "allowed_speed_mps",
            "required_m",
            "possible_m",
        )
    )
    fields = {"verdict": "no_location", "reasons": ("device_never_seen",), "fixes": (), **nothing}
    return decision(**{**fields, **changes})
