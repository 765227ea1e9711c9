"""Topic Potential_fraud_transactions: what a fraud desk acts on."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from models.decision import Decision, Stage
from models.judgement import Judgement

FlagEvent = Literal["flagged", "confirmed", "retracted"]


class FlaggedTransaction(Judgement, frozen=True, gc=False):
    """A transaction that the phone speaks against. Topic Potential_fraud_transactions; key: device id, UTF-8.

    `event` says what happened to the flag. The card shows as its last four digits, never beside a token
    of the same number (PCI DSS 4.0, 3.5.1.1); the customer's name is not in it.
    """

    event: Annotated[FlagEvent, Meta(description="flagged; later confirmed, or retracted.")]
    transaction_id: str
    device_id: str
    stage: Stage
    revision: Annotated[int, Meta(ge=1)]
    transaction_time: datetime
    latitude_deg: float
    longitude_deg: float
    amount: float
    user_token: str | None
    card_last4: str | None
    merchant_id: str | int | None
    merchant: str | None
    merchant_category: str | None
    transaction_type: str | None
    transaction_device: str | None
    received_ms: int

    @classmethod
    def of(cls, decision: Decision, card_last4: str | None, event: FlagEvent) -> "FlaggedTransaction":
        """Make the alert of a decision."""
        # By position, as in Decision.of.
        return cls(
            decision.verdict,
            decision.reasons,
            decision.distance_m,
            decision.elapsed_s,
            decision.implied_speed_mps,
            decision.reported_speed_mps,
            decision.allowed_speed_mps,
            decision.required_m,
            decision.possible_m,
            decision.fixes,
            decision.refused,
            decision.profile,
            decision.profile_version,
            event,
            decision.transaction_id,
            decision.device_id,
            decision.stage,
            decision.revision,
            decision.transaction_time,
            decision.latitude_deg,
            decision.longitude_deg,
            decision.amount,
            decision.user_token,
            card_last4,
            decision.merchant_id,
            decision.merchant,
            decision.merchant_category,
            decision.transaction_type,
            decision.transaction_device,
            decision.received_ms,
        )


def last_four(card_number: str | int | None) -> str | None:
    """The last four digits of a card number; None where it has too few digits to hide behind them."""
    text = "" if card_number is None else str(card_number)
    digits = text if text.isdecimal() else "".join(c for c in text if c.isdecimal())
    return digits[-4:] if len(digits) > 8 else None
