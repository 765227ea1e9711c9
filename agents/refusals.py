"""What becomes of a record that cannot be processed."""

from faust.types import TP

from models.dead_letter import DeadLetter
from streaming.chunk import Record
from streaming.errors import RecordError
from streaming.outbox import Outbox


async def send_dead_letter(
    outbox: Outbox, topic: str, tp: TP, record: Record, error: RecordError, *, store: str = ""
) -> None:
    """Send the record, byte for byte, with where it lay, why it is refused, and by which store if by one."""
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
    await outbox.send(topic, letter.key, letter.value, headers=letter.headers)
