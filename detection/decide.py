"""From a transaction and the state of its device to a decision: the same for a worker and for `replay`."""

from collections.abc import Callable

import msgspec

from detection.paper_rule import PaperRule
from models.decision import Decision
from models.fix import Fix
from models.flagged_transaction import FlaggedTransaction
from models.transaction import Transaction

Tokenize = Callable[[str, str], str]  # kind ("card", "user") and text -> keyed token


class Decider(msgspec.Struct, frozen=True):
    """Judges transactions by a rule and makes decisions of the judgements."""

    rule: PaperRule
    tokenize: Tokenize

    def decide(self, transaction: Transaction, latest: Fix | None) -> Decision:
        """Decide by the device's latest fix. The profile `paper` looks once: its first verdict is final."""
        return Decision.of(
            transaction,
            self.rule.judge(transaction, latest),
            stage="final",
            revision=1,
            card_token=self._token("card", transaction.card_number),
            user_token=self._token("user", transaction.user_id),
        )

    def flag(self, transaction: Transaction, decision: Decision) -> FlaggedTransaction | None:
        """What the fraud desk gets of a decision; None where it has nothing to do."""
        if decision.verdict != "flagged":
            return None
        return FlaggedTransaction.of(transaction, decision, "flagged")

    def _token(self, kind: str, text: str | int | None) -> str | None:
        return None if text is None or text == "" else self.tokenize(kind, str(text))
