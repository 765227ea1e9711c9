"""A transaction as samples keep it: enough to look at, and to draw the privacy curve from."""

from typing import Final

import msgspec

from models.decision import Decision
from models.judgement import Verdict
from sketches.items import MAX_ITEM_BYTES, short

SAMPLE_BYTES: Final = 7 * (MAX_ITEM_BYTES + 3) + 64
"""The most that `sampled` returns."""


class SampledTransaction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Restricted zone: its place and amount are exact. Time in milliseconds since the epoch."""

    transaction_id: str
    time_ms: int
    latitude_deg: float
    longitude_deg: float
    amount: float
    merchant: str | None
    merchant_category: str | None
    transaction_device: str | None
    user_token: str | None
    verdict: Verdict


_encode = msgspec.msgpack.Encoder().encode


def sampled(decision: Decision) -> bytes:
    """The item that a reservoir keeps of a decision (msgpack); long words are cut."""
    return _encode(
        SampledTransaction(
            short(decision.transaction_id),
            int(decision.transaction_time.timestamp() * 1000),
            decision.latitude_deg,
            decision.longitude_deg,
            decision.amount,
            _short(decision.merchant),
            _short(decision.merchant_category),
            _short(decision.transaction_device),
            _short(decision.user_token),
            decision.verdict,
        )
    )


def _short(text: str | None) -> str | None:
    return None if text is None else short(text)
