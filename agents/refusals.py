"""What becomes of a record that cannot be processed."""

from collections.abc import Iterable

from faust.types import TP
from prometheus_client import CollectorRegistry

from models.dead_letter import DeadLetter
from streaming.chunk import Record
from streaming.decoding import MALFORMED
from streaming.errors import RecordError
from streaming.metrics import dead_letter_counter
from streaming.outbox import Outbox


class Refusals:
    """Sends records to the topic of dead letters, and counts them.

    Counts begin at 0 for records of `sources` that cannot be read: the first one of all is an increase, too.
    """

    def __init__(self, topic: str, registry: CollectorRegistry, sources: Iterable[str]) -> None:
        self._topic = topic
        self._counter = dead_letter_counter(registry, "smartbank")
        for source in sources:
            self._counter.labels(source, MALFORMED)

    async def send(
        self, outbox: Outbox, tp: TP, record: Record, error: RecordError, *, store: str = ""
    ) -> None:
        """Send the record, byte for byte, with where it lay and why it is refused; `store`: by which."""
        self._counter.labels(tp.topic, error.reason_code).inc()
        letter = DeadLetter.of(
            reason_code=error.reason_code,
            reason=error.reason,
            topic=tp.topic,
            partition=tp.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            store=store,
        )
        await outbox.send(self._topic, letter.key, letter.value, headers=letter.headers)
