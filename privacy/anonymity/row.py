"""What goes into a group, and what a group says of its rows."""

from datetime import datetime
from typing import Any

import msgspec

from models.decision import Decision
from models.judgement import Verdict


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A final decision on its way to the public zone. `source` is whatever its caller knows it by.

    `person` is the keyed token of the user, None where the bank named none. It is counted, never published.
    """

    transaction_id: str
    latitude_deg: float
    longitude_deg: float
    time: datetime
    amount: float
    merchant_category: str | None
    device_type: str | None
    merchant: str | None
    person: str | None
    verdict: Verdict
    usual_place: bool | None = None
    source: Any = None

    @classmethod
    def of(cls, decision: Decision, *, usual_place: bool | None = None, source: Any = None) -> "Row":
        """What a decision has for analysts."""
        return cls(
            transaction_id=decision.transaction_id,
            latitude_deg=decision.latitude_deg,
            longitude_deg=decision.longitude_deg,
            time=decision.transaction_time,
            amount=decision.amount,
            merchant_category=decision.merchant_category,
            device_type=decision.transaction_device,
            merchant=decision.merchant,
            person=decision.user_token,
            verdict=decision.verdict,
            usual_place=usual_place,
            source=source,
        )

    def __repr__(self) -> str:
        """Names the transaction only: what it holds is exact, and must not reach a log or a traceback."""
        return f"Row({self.transaction_id!r})"


class Generalisation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all rows of a group have for their quasi-identifiers. Ends of intervals are not in them."""

    place: str
    time_from: datetime
    time_to: datetime
    amount_from: float
    amount_to: float
    merchant_category: str
    device_type: str
    information_loss: float
