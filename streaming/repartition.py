"""Records that lie under a wrong key or in a wrong partition go once more through a topic of their own."""

from aiokafka import ConsumerRecord

from streaming.outbox import Headers, Outbox
from streaming.partitions import partition_of


def is_misplaced(record: ConsumerRecord, key: bytes, partition_count: int) -> bool:
    """Whether `record` lies under another key or partition than those of `key`."""
    return bool(record.key != key or record.partition != partition_of(key, partition_count))


def origin_headers(record: ConsumerRecord) -> Headers:
    """Where a record came from, as UTF-8 text."""
    return (
        ("source_topic", record.topic.encode()),
        ("source_partition", str(record.partition).encode()),
        ("source_offset", str(record.offset).encode()),
    )


async def repartition(
    outbox: Outbox, record: ConsumerRecord, *, topic: str, key: bytes, partition_count: int
) -> None:
    """Forward the record's bytes under its right key, with its origin in headers and its own timestamp."""
    await outbox.send(
        topic,
        key,
        record.value,
        partition=partition_of(key, partition_count),
        headers=origin_headers(record),
        timestamp_ms=record.timestamp,
    )
