"""Topic Potential_fraud_transactions: what a fraud desk acts on."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from models.decision import Decision, Stage
from models.judgement import Judgement
from models.transaction import Transaction

FlagEvent = Literal["flagged", "confirmed", "retracted"]


class FlaggedTransaction(Judgement, frozen=True, kw_only=True, gc=False):
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
    user_token: str | None = None
    card_last4: str | None = None
    merchant_id: str | int | None = None
    merchant: str | None = None
    merchant_category: str | None = None
    transaction_type: str | None = None
    transaction_device: str | None = None

    @classmethod
    def of(cls, transaction: Transaction, decision: Decision, event: FlagEvent) -> "FlaggedTransaction":
        """Join a transaction with the decision that flagged it."""
        fields = msgspec.structs.asdict(decision)
        del fields["card_token"]
        return cls(
            **fields,
            event=event,
            card_last4=last_four(transaction.card_number),
            merchant_id=transaction.merchant_id,
            merchant=transaction.merchant,
            merchant_category=transaction.merchant_category,
            transaction_type=transaction.transaction_type,
            transaction_device=transaction.transaction_device,
        )


def last_four(card_number: str | int | None) -> str | None:
    """The last four digits of a card number; None where it has too few digits to hide behind them."""
    text = "" if card_number is None else str(card_number)
    digits = text if text.isdecimal() else "".join(c for c in text if c.isdecimal())
    return digits[-4:] if len(digits) > 8 else None
