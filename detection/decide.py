"""From a transaction and the state of its device to a decision: the same for a worker and for `replay`."""

from collections.abc import Callable

import msgspec

from detection.paper_rule import PaperRule
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.latest_location import LatestLocation
from models.transaction import Transaction

Tokenize = Callable[[str], str]


class Decider(msgspec.Struct, frozen=True):
    """Judges transactions by a rule and makes decisions of the judgements."""

    rule: PaperRule
    card_token_of: Tokenize
    user_token_of: Tokenize

    def decide(self, transaction: Transaction, latest: LatestLocation | None) -> Decision:
        """Decide by the device's latest fix. The profile `paper` looks once: its first verdict is final."""
        return Decision.of(
            transaction,
            self.rule.judge(transaction, latest),
            stage="final",
            revision=1,
            card_token=_token(self.card_token_of, transaction.card_number),
            user_token=_token(self.user_token_of, transaction.user_id),
        )

    def flag(self, transaction: Transaction, decision: Decision) -> FlaggedTransaction | None:
        """What the fraud desk gets of a decision; None where it has nothing to do."""
        if decision.verdict != "flagged":
            return None
        return FlaggedTransaction.of(transaction, decision, "flagged")


def _token(token_of: Tokenize, text: str | int | None) -> str | None:
    return None if text is None or text == "" else token_of(str(text))
