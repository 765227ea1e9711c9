"""Topic anonymized_transactions: what analysts may see of a transaction."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from models.judgement import Verdict

SCHEMA_VERSION = 1

QUASI_IDENTIFIERS: Final = (
    *("place", "time_from", "time_to", "amount_from", "amount_to", "merchant_category", "device_type"),
)
"""The columns by which somebody who knows a person could look for their rows."""

SENSITIVE: Final = "merchant"
"""The column that they must not learn."""


class AnonymizedTransaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A final verdict among at least k people who look alike. Topic anonymized_transactions; key: row_token.

    Public zone. Quasi-identifiers (`place` to `device_type`) are equal in all rows of a group; `merchant` is
    the sensitive column, of which each group has at least l values. Nothing in a row links it to
    another row of the same person. Delivered at least once: a repeat is equal to the byte.
    """

    row_token: Annotated[str, Meta(description="Keyed token of the transaction; the fraud desk resolves it.")]
    place: Annotated[str, Meta(description="Geohash cell; fewer characters: a larger one; empty: anywhere.")]
    time_from: datetime
    time_to: Annotated[datetime, Meta(description="Not included.")]
    amount_from: float
    amount_to: float
    merchant_category: Annotated[str, Meta(description="A category, a family of them, or * for any.")]
    device_type: Annotated[str, Meta(description="A type of device, or * for any.")]
    merchant: Annotated[str | None, Meta(description="The sensitive column.")]
    verdict: Verdict
    usual_place: Annotated[
        bool | None, Meta(description="Whether the place is a usual one of the customer; null: not known.")
    ]
    group_size: Annotated[int, Meta(ge=1, description="Different people in the row's group when published.")]
    information_loss: Annotated[float, Meta(ge=0, le=1, description="GLM: 0 nothing is lost, 1 all.")]
    schema_version: int = SCHEMA_VERSION
