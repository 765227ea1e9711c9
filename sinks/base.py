"""What a store has to do. sinks/delivery.py does the rest, the same for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from models.anonymized_transaction import AnonymizedTransaction
from streaming.errors import RetryableError

Row = AnonymizedTransaction


class StoreAwayError(RetryableError):
    """The store cannot take rows now: away, overloaded, full, read-only. The whole batch is written again.

    `retry_after_s`: where the store itself says how long to wait. The message is for the log: no password.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A row that the store refuses for good. It becomes a dead letter.

    `reason_code` is for counting (one of a few words, such as schema, too_large, expired); `reason` is what
    the store said, for people.
    """

    row_token: str
    reason_code: str
    reason: str


class Sink(Protocol):
    """A store of anonymized transactions, which takes them in batches, some of them again.

    Offsets are committed after `write` returned: a crash repeats rows and loses none. A row is the same to
    the byte whenever it comes, so writes are idempotent where a row is stored under its row token.

    One task calls, one call at a time. Any call may be cancelled, and `close` may never come (kill -9).
    """

    name: str
    """As in `worker sink NAME`: the consumer group is bank-sink-NAME, and metrics carry it."""

    async def migrate(self) -> Sequence[str]:
        """Make or bring up to date what the store needs (`python -m app stores migrate`), without `open`.

        Idempotent; two at once do no harm; workers of the version before go on. Returns what was done, a
        sentence each. Raises what `open` raises.
        """

    async def open(self) -> None:
        """Connect, and look whether rows can be written: address, credentials, database, schema.

        Raises ConfigError where only a person can help: it names the setting (or `stores migrate`) and never
        its secret. Raises StoreAwayError where the store does not answer: `open` is called again, also after
        a failure half-way.
        """

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Return when every row is stored so that a crash of the store keeps it, or is rejected for good.

        `rows` are at least one, their tokens differ. Order says nothing. A row that is there already is
        written over or left. What does not fit into one request of the store is split here. Raises
        StoreAwayError to have all of `rows` again after a pause: also those that were stored. A password that
        stopped working while we run is such a case: an operator mends it, and nothing is lost. Any other
        exception is a mistake in the sink and ends the worker.
        """

    async def close(self) -> None:
        """Let go of connections. Best effort: raises nothing, also where `open` failed or never came."""
