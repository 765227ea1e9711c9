"""A row of the table cases: what was decided on a transaction so far."""

import msgspec


class Case(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The standing decision on a transaction, and until when it may change.

    It lies in tables and changelogs as a msgpack array of its fields in this order: new fields are appended
    and have a default. A closed case is kept for a while: a transaction that comes again gets its decision.
    """

    is_open: bool
    record_ms: int
    """Record timestamp of the transaction, milliseconds since the epoch."""
    deadline_ms: int
    """A location counts if and only if its record timestamp is not later."""
    decision_json: bytes
    """The Decision as it was written to transaction_decisions."""
    card_last4: str | None
    """What a later alert shows of the card; None in a closed case."""

    def __repr__(self) -> str:
        """Says when it ends only: token and digits of a card must not stand side by side in a log."""
        return f"Case({'open' if self.is_open else 'closed'}, deadline_ms={self.deadline_ms})"
