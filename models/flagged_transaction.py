"""Topic Potential_fraud_transactions: what a fraud desk acts on."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from models.decision import Decision, Stage
from models.judgement import Judgement
from models.transaction import Transaction

FlagEvent = Literal["flagged", "confirmed", "retracted"]


class CardUse(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an alert needs of a transaction besides its decision. The card shows as its last four digits."""

    card_last4: str | None
    merchant_id: str | int | None
    merchant: str | None
    merchant_category: str | None
    transaction_type: str | None
    transaction_device: str | None

    @classmethod
    def of(cls, transaction: Transaction) -> "CardUse":
        """Take it from a transaction."""
        return cls(
            last_four(transaction.card_number),
            transaction.merchant_id,
            transaction.merchant,
            transaction.merchant_category,
            transaction.transaction_type,
            transaction.transaction_device,
        )


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

    @classmethod
    def of(cls, use: CardUse, decision: Decision, event: FlagEvent) -> "FlaggedTransaction":
        """Join a use of a card with the decision on it."""
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
            use.card_last4,
            use.merchant_id,
            use.merchant,
            use.merchant_category,
            use.transaction_type,
            use.transaction_device,
        )


def last_four(card_number: str | int | None) -> str | None:
    """The last four digits of a card number; None where it has too few digits to hide behind them."""
    text = "" if card_number is None else str(card_number)
    digits = text if text.isdecimal() else "".join(c for c in text if c.isdecimal())
    return digits[-4:] if len(digits) > 8 else None
