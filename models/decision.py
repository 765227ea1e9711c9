"""Topic transaction_decisions: every verdict."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from models.judgement import Judgement
from models.times import in_utc
from models.transaction import Transaction

Stage = Literal["provisional", "final"]


class Decision(Judgement, frozen=True, kw_only=True, gc=False):
    """The verdict on one transaction and its evidence. Topic transaction_decisions; key: device id, UTF-8.

    Delivered at least once: a consumer takes, per transaction_id, the last line of the highest revision.
    Card and user are keyed tokens (HMAC-SHA-256 with a key id), null where the bank sent none.
    """

    transaction_id: str
    device_id: str
    stage: Annotated[Stage, Meta(description="A final verdict does not change any more.")]
    revision: Annotated[int, Meta(ge=1, description="1 for the first verdict on a transaction.")]
    transaction_time: datetime
    latitude_deg: float
    longitude_deg: float
    amount: float
    card_token: str | None = None
    user_token: str | None = None

    @classmethod
    def of(
        cls,
        transaction: Transaction,
        judgement: Judgement,
        *,
        stage: Stage,
        revision: int,
        card_token: str | None,
        user_token: str | None,
    ) -> "Decision":
        """Join a transaction with what was judged of it."""
        return (
            cls(  # field by field: to unpack a dict of them takes three times as long, for every transaction
                verdict=judgement.verdict,
                reasons=judgement.reasons,
                distance_m=judgement.distance_m,
                elapsed_s=judgement.elapsed_s,
                implied_speed_mps=judgement.implied_speed_mps,
                reported_speed_mps=judgement.reported_speed_mps,
                allowed_speed_mps=judgement.allowed_speed_mps,
                fixes=judgement.fixes,
                profile=judgement.profile,
                profile_version=judgement.profile_version,
                transaction_id=transaction.transaction_id,
                device_id=transaction.device_id,
                stage=stage,
                revision=revision,
                transaction_time=in_utc(transaction.event_time),
                latitude_deg=transaction.latitude_deg,
                longitude_deg=transaction.longitude_deg,
                amount=transaction.amount,
                card_token=card_token,
                user_token=user_token,
            )
        )
