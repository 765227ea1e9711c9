"""Records that lie under a wrong key or in a wrong partition go once more through a topic of their own."""

import logging

from faust.types import TP

from streaming.chunk import Record
from streaming.outbox import Headers, Outbox
from streaming.partitions import partition_of

log = logging.getLogger(__name__)


def origin_headers(tp: TP, record: Record) -> Headers:
    """Where a record came from, as UTF-8 text."""
    return (
        ("source_topic", tp.topic.encode()),
        ("source_partition", str(tp.partition).encode()),
        ("source_offset", str(record.offset).encode()),
    )


class Repartitioner:
    """Forwards such records, and says so once a topic: a producer wants to be mended."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    async def forward(
        self, outbox: Outbox, tp: TP, record: Record, *, topic: str, key: bytes, partition_count: int
    ) -> None:
        """Send the record's bytes to `topic` under its right key, with its origin and its own timestamp."""
        if tp.topic not in self._warned:
            self._warned.add(tp.topic)
            log.warning(
                "%s[%d]:%d lies under a wrong key or in a wrong partition and goes to %s, as all of its kind:"
                " let its producer use the device id as key, and the partitioner of Kafka's own clients"
                " (librdkafka: partitioner=murmur2_random)",
                tp.topic,
                tp.partition,
                record.offset,
                topic,
            )
        await outbox.send(
            topic,
            key,
            record.value,
            partition=partition_of(key, partition_count),
            headers=origin_headers(tp, record),
            timestamp_ms=record.timestamp,
        )
