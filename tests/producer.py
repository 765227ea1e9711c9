"""A producer that remembers what it was given and acknowledges when it is told to."""

import asyncio
from asyncio import Future
from collections import defaultdict
from typing import Any, NamedTuple

Row = tuple[bytes | None, bytes | None]


class Metadata(NamedTuple):
    """What the broker says of a record or batch: the offset of its first record."""

    offset: int


class FakeBatch:
    """A batch that holds so many bytes, and its first record whatever the size."""

    def __init__(self, room_bytes: int) -> None:
        self.rows: list[Row] = []
        self._room_bytes = room_bytes
        self._closed = False

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: int | None) -> object | None:  # noqa: ARG002 (aiokafka's signature)
        """Take a record; None where it is full or closed."""
        size_bytes = len(key or b"") + len(value or b"")
        if self._closed or (self.rows and size_bytes > self._room_bytes):
            return None
        self._room_bytes -= size_bytes
        self.rows.append((key, value))
        return object()

    def record_count(self) -> int:
        """How many it holds."""
        return len(self.rows)

    def close(self) -> None:
        """Take no more."""
        self._closed = True


class FakeProducer:
    """The part of aiokafka's producer that an Outbox uses.

    `log` holds the rows by topic and partition, `sent` all of each single record, `futures` what was
    returned, in order.
    """

    def __init__(self, *, batch_bytes: int = 100_000, first_offset: int = 0) -> None:
        self.log: dict[tuple[str, int | None], list[Row]] = defaultdict(list)
        self.sent: list[tuple[Any, ...]] = []
        self.futures: list[Future[Metadata]] = []
        self._offsets: list[int] = []
        self._batch_bytes = batch_bytes
        self._first_offset = first_offset

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
        return self._take(topic, partition, [(key, value)])

    async def partitions_for(self, topic: str) -> set[int]:  # noqa: ARG002 (the same for every topic)
        """Partitions of a topic."""
        return set(range(4))

    def create_batch(self) -> FakeBatch:
        """Make an empty batch."""
        return FakeBatch(self._batch_bytes)

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> Future[Metadata]:
        """Take a batch."""
        assert batch.rows, "aiokafka would send an empty batch"
        return self._take(topic, partition, batch.rows)

    def acknowledge_all(self) -> None:
        """Let the broker have everything that it was not told about otherwise."""
        for future, offset in zip(self.futures, self._offsets, strict=True):
            if not future.done():
                future.set_result(Metadata(offset))

    def _take(self, topic: str, partition: int | None, rows: list[Row]) -> Future[Metadata]:
        log = self.log[topic, partition]
        self._offsets.append(self._first_offset + len(log))
        log += rows
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]
