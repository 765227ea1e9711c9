"""A producer that remembers what it was given and acknowledges when it is told to."""

import asyncio
from asyncio import Future
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.record.memory_records import MemoryRecords

Row = tuple[bytes | None, bytes | None]


class Metadata(NamedTuple):
    """What the broker says of a record or batch: the offset of its first record."""

    offset: int


class FakeProducer:
    """The part of aiokafka's producer that an Outbox uses. Its batches are aiokafka's; nobody sends them.

    `sent` holds all of each single record.
    """

    def __init__(self, *, batch_bytes: int = 100_000, first_offset: int = 0) -> None:
        self.sent: list[tuple[Any, ...]] = []
        self._single: list[Future[Metadata]] = []
        self._first_offset = first_offset
        self._message_accumulator = MessageAccumulator(None, batch_bytes, 0, 60)
        self._on_their_way: list[MessageBatch] = []

    async def send(  # noqa: PLR0917 (aiokafka's signature)
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> Future[Metadata]:
        """Take one record."""
        self.sent.append((topic, partition, key, value, headers, timestamp_ms))
        self._single.append(asyncio.get_running_loop().create_future())
        return self._single[-1]

    async def partitions_for(self, topic: str) -> set[int]:  # noqa: ARG002 (the same for every topic)
        """Partitions of a topic."""
        return set(range(4))

    @property
    def log(self) -> dict[tuple[str, int | None], list[Row]]:
        """The rows of each topic and partition; no batch that was looked at takes more."""
        rows = defaultdict(list)
        for topic, partition, key, value, *_ in self.sent:
            rows[topic, partition].append((key, value))
        for batch in self._batches():
            rows[batch.tp.topic, batch.tp.partition] += rows_of(batch)
        return rows

    @property
    def futures(self) -> list[Future[Any]]:
        """Of all sends: single records, then batches."""
        return [*self._single, *(batch.future for batch in self._batches())]

    def acknowledge_all(self) -> None:
        """Let the broker have everything that it was not told about otherwise."""
        for offset, future in enumerate(self._single):
            if not future.done():
                future.set_result(Metadata(offset))
        ends: dict[Any, int] = defaultdict(lambda: self._first_offset)
        for batch in self._batches():
            if not batch.future.done():
                batch.done(ends[batch.tp])
            ends[batch.tp] += batch.record_count

    def send_first(self) -> None:
        """Send the first batch that waits."""
        tp = next(iter(self._message_accumulator._batches))
        self._on_their_way.append(self._message_accumulator._pop_batch(tp))

    def _batches(self) -> Iterator[MessageBatch]:
        yield from self._on_their_way
        for batches in self._message_accumulator._batches.values():
            yield from batches


def rows_of(batch: MessageBatch) -> list[Row]:
    """Keys and values in a batch."""
    records = MemoryRecords(bytes(batch.get_data_buffer()))
    return [(r.key, r.value) for r in records.next_batch()] if batch.record_count else []
