"""Records that lie under a wrong key or in a wrong partition go once more through a topic of their own."""

from faust.types import TP

from streaming.chunk import Record
from streaming.outbox import Headers, Outbox
from streaming.partitions import partition_of


def origin_headers(tp: TP, record: Record) -> Headers:
    """Where a record came from, as UTF-8 text."""
    return (
        ("source_topic", tp.topic.encode()),
        ("source_partition", str(tp.partition).encode()),
        ("source_offset", str(record.offset).encode()),
    )


async def repartition(
    outbox: Outbox, tp: TP, record: Record, *, topic: str, key: bytes, partition_count: int
) -> None:
    """Forward the record's bytes under its right key, with its origin in headers and its own timestamp."""
    await outbox.send(
        topic,
        key,
        record.value,
        partition=partition_of(key, partition_count),
        headers=origin_headers(tp, record),
        timestamp_ms=record.timestamp,
    )
