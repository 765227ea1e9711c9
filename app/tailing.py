"""Reading topics without a group: nothing is committed, no worker notices."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from aiokafka import ConsumerRecord, TopicPartition

from app.broker_client import admin_client, groupless_consumer
from app.connection import Connection
from app.topic_state import offset_ranges, topic_states
from streaming.errors import ConfigError, RetryableError

_POLL_TIMEOUT_S = 0.2
_STALL_TIMEOUT_S = 30.0
_BULK_OPTIONS = {
    "max_partition_fetch_bytes": 4 * 1024 * 1024,  # aiokafka's 1 MiB halves the rate
    "fetch_max_wait_ms": 100,
    "auto_offset_reset": "earliest",  # retention may delete what we were about to read
}


async def read_topic(
    connection: Connection,
    topic: str,
    *,
    from_beginning: bool,
    until_end: bool = False,
    since_ms: int | None = None,
) -> AsyncGenerator[ConsumerRecord, None]:
    """Yield the records of all partitions: in order within a partition, in none between them.

    Starts at the beginning, or at the first record with a timestamp of `since_ms` (epoch) or later, or
    behind the last record. With `until_end` it ends at what was the end when it began; otherwise never.
    Raises ConfigError for a topic that does not exist or may not be read. Close it (contextlib.aclosing)
    when you stop before its end.
    """
    async with admin_client(connection) as admin:
        states = await topic_states(admin)
    if topic not in states:
        raise ConfigError(
            f"no topic {topic!r} at {connection.bootstrap}; there are: {', '.join(sorted(states)) or 'none'}"
        )
    ranges = (await offset_ranges(connection, {topic: states[topic].partitions}))[topic]
    ends = {partition: each.end_offset for partition, each in ranges.items()}
    starts = {p: each.begin_offset for p, each in ranges.items()} if from_beginning else ends
    if since_ms is not None:
        starts = await offsets_since(connection, topic, since_ms, ends)
    async with aclosing(read_batches(connection, topic, starts, ends if until_end else None)) as batches:
        async for batch in batches:
            for record in batch:
                yield record


async def read_batches(
    connection: Connection, topic: str, starts: Mapping[int, int], ends: Mapping[int, int] | None
) -> AsyncGenerator[list[ConsumerRecord], None]:
    """Yield lists of records of one partition each, from `starts` to before `ends` (None: for ever).

    Guaranteed: it ends where the last records before `ends` are compacted away or were never committed.
    Raises RetryableError where nothing moves for 30 s before the ends are reached.
    """
    targets = {
        TopicPartition(topic, p): None if ends is None else ends[p]
        for p in starts
        if ends is None or starts[p] < ends[p]
    }
    if not targets:
        return
    async with groupless_consumer(connection, **_BULK_OPTIONS) as consumer:
        consumer.assign(list(targets))
        for tp in targets:
            consumer.seek(tp, starts[tp.partition])
        moved_s = asyncio.get_running_loop().time()
        while targets:
            fetched = await consumer.getmany(timeout_ms=int(_POLL_TIMEOUT_S * 1000))
            for tp, records in fetched.items():
                end = targets.get(tp)
                yield records if end is None else _before(records, end)
            if ends is None:
                continue
            now_s = asyncio.get_running_loop().time()
            finished = [
                tp for tp, end in targets.items() if end is not None and await consumer.position(tp) >= end
            ]
            if fetched or finished:
                moved_s = now_s
            elif now_s - moved_s > _STALL_TIMEOUT_S:
                raise RetryableError(f"{topic} at {connection.bootstrap} gives no records: is a broker down?")
            for tp in finished:
                consumer.pause(tp)
                del targets[tp]


def _before(records: list[ConsumerRecord], end_offset: int) -> list[ConsumerRecord]:
    if records[-1].offset < end_offset:
        return records
    return [record for record in records if record.offset < end_offset]


async def offsets_since(
    connection: Connection, topic: str, since_ms: int, ends: Mapping[int, int]
) -> dict[int, int]:
    """The first offset of each partition whose record has that timestamp or a later one; else the end."""
    async with groupless_consumer(connection) as consumer:
        found = await consumer.offsets_for_times({TopicPartition(topic, p): since_ms for p in ends})
    return {tp.partition: at.offset if at else ends[tp.partition] for tp, at in found.items()}
