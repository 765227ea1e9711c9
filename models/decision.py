"""Topic transaction_decisions: every verdict."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from models.judgement import Judgement
from models.transaction import Transaction

Stage = Literal["provisional", "final"]


class Decision(Judgement, frozen=True, gc=False):
    """The verdict on one transaction and its evidence. Topic transaction_decisions; key: device id, UTF-8.

    Delivered at least once: a consumer takes, per transaction_id, the last line of the highest revision.
    A final line is the last revision, whatever came before.
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
    card_token: str | None
    user_token: str | None
    merchant_id: str | int | None
    merchant: str | None
    merchant_category: str | None
    transaction_type: str | None
    transaction_device: str | None
    received_ms: Annotated[
        int, Meta(description="Record timestamp of the transaction, milliseconds since the epoch.")
    ]

    @classmethod
    def of(
        cls,
        transaction: "Transaction | Decision",
        judgement: Judgement,
        *,
        stage: Stage,
        revision: int,
        card_token: str | None,
        user_token: str | None,
        received_ms: int,
    ) -> "Decision":
        """Join a transaction, or an earlier decision on it, with what was judged of it."""
        # By position: Python passes so many fields by name in a dict, which takes five times as long.
        return cls(
            judgement.verdict,
            judgement.reasons,
            judgement.distance_m,
            judgement.elapsed_s,
            judgement.implied_speed_mps,
            judgement.reported_speed_mps,
            judgement.allowed_speed_mps,
            judgement.required_m,
            judgement.possible_m,
            judgement.fixes,
            judgement.refused,
            judgement.profile,
            judgement.profile_version,
            transaction.transaction_id,
            transaction.device_id,
            stage,
            revision,
            transaction.event_time,
            transaction.latitude_deg,
            transaction.longitude_deg,
            transaction.amount,
            card_token,
            user_token,
            transaction.merchant_id,
            transaction.merchant,
            transaction.merchant_category,
            transaction.transaction_type,
            transaction.transaction_device,
            received_ms,
        )

    @property
    def event_time(self) -> datetime:
        """When the card was used: the name that a Transaction has for it."""
        return self.transaction_time

    def json_when_final(self, provisional_json: bytes) -> bytes:
        """The JSON of the next revision, which is final and says the same, from the JSON of this one.

        A tenth of the time that it takes to encode it: nearly every decision ends as it began.
        """
        before = b'"stage":"provisional","revision":%d,' % self.revision
        return provisional_json.replace(before, b'"stage":"final","revision":%d,' % (self.revision + 1), 1)

    def revised(self, judgement: Judgement, stage: Stage) -> "Decision":
        """Return the next revision of this decision, by another judgement."""
        return Decision.of(
            self,
            judgement,
            stage=stage,
            revision=self.revision + 1,
            card_token=self.card_token,
            user_token=self.user_token,
            received_ms=self.received_ms,
        )
