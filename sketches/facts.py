"""What the sketches take up of a record: the message, where it lies, and what of it is new."""

from typing import Final

import msgspec

from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from sketches.usual_places import Answer

NOT_KNOWN: Final = "(not known)"
"""In the place of a merchant or category that the bank did not name."""


class DecisionFact(msgspec.Struct, frozen=True, gc=False):
    """A line of transaction_decisions that says something new; a repeated line is none.

    `record_ms` is the record's timestamp, `event_ms` when the card was used, milliseconds since the epoch;
    `event_hour` the same in full hours.
    """

    offset: int
    record_ms: int
    event_ms: int
    event_hour: int
    merchant: str
    category: str
    decision: Decision
    is_first: bool
    """The transaction was not seen before."""
    is_first_flag: bool
    """It was not seen flagged before."""
    is_final: bool
    is_counted_publicly: bool
    """It is final, and one of the first of its device in its hour: the others are left out of what is said of
    all, so that no device weighs more than was declared."""
    usual_place: Answer
    is_sampled: bool = False
    """The ledger's twins see it."""


class AlertFact(msgspec.Struct, frozen=True, gc=False):
    """A line of Potential_fraud_transactions that is no repeat."""

    offset: int
    record_ms: int
    event_ms: int
    merchant: str
    category: str
    alert: FlaggedTransaction
    is_first_flag: bool
    usual_place: Answer


def merchant_of(use: Decision | FlaggedTransaction) -> str:
    """The merchant's id where there is one, else its name."""
    return str(use.merchant if use.merchant_id in {None, ""} else use.merchant_id) or NOT_KNOWN


def category_of(use: Decision | FlaggedTransaction) -> str:
    """The merchant's category."""
    return use.merchant_category or NOT_KNOWN


def event_ms_of(use: Decision | FlaggedTransaction) -> int:
    """When the card was used, milliseconds since the epoch."""
    return int(use.transaction_time.timestamp() * 1000)


def device_type_of(use: Decision | FlaggedTransaction) -> str:
    """What kind of device the card was used with, as the bank names it."""
    return use.transaction_device or NOT_KNOWN
