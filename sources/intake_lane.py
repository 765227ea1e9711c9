"""The way of records into one partition: while one batch is with the broker, the next fills up."""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from streaming.errors import OutputLostError, PipelineError, RetryableError

_RECORD_OVERHEAD_BYTES = 128
_REFUSALS = (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is sent to a topic."""

    topic: str
    key: bytes
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]] = []

    @property
    def size_bytes(self) -> int:
        """What it takes in memory and in its batch, roughly from above."""
        headers = sum(len(name) + len(value) for name, value in self.headers) if self.headers else 0
        return len(self.key) + len(self.value) + headers + _RECORD_OVERHEAD_BYTES


class _Batch:
    """Records that share their fate. `outcome` ends with None when the broker has them, else with why not."""

    __slots__ = ("builder", "outcome", "size_bytes")

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.builder: Any = producer.create_batch()
        self.outcome: Future[PipelineError | None] = asyncio.get_running_loop().create_future()
        self.size_bytes = 0

    def has_taken(self, record: Record) -> bool:
        """Append a record; False where there is no more room. An empty batch has room for any."""
        taken = self.builder.append(
            timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=record.headers
        )
        if taken is None:
            return False
        self.size_bytes += record.size_bytes
        return True


class Lane:
    """Batches of one partition, in order."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partition: int,
        *,
        linger_s: float,
        acknowledge_timeout_s: float,
    ) -> None:
        self.in_flight_bytes = 0
        self._producer, self._topic, self._partition = producer, topic, partition
        self._linger_s, self._acknowledge_timeout_s = linger_s, acknowledge_timeout_s
        self._waiting: deque[_Batch] = deque()
        self._sent: _Batch | None = None
        self._is_filled = asyncio.Event()

    @property
    def outcomes(self) -> Iterator["Future[PipelineError | None]"]:
        """Of everything that is not acknowledged yet."""
        return (batch.outcome for batch in (*self._waiting, self._sent) if batch is not None)

    def add(self, record: Record) -> "Future[PipelineError | None]":
        """Put a record behind those before; return its outcome, to be shielded, since others share it."""
        if not self._waiting or not self._waiting[-1].has_taken(record):
            self._waiting.append(batch := _Batch(self._producer))
            batch.has_taken(record)
            self._is_filled.set()
        self.in_flight_bytes += record.size_bytes
        return self._waiting[-1].outcome

    def give_up(self, failure: PipelineError) -> None:
        """End everything with this failure."""
        for outcome in self.outcomes:
            if not outcome.done():
                outcome.set_result(failure)

    async def run(self) -> None:
        """Send until cancelled. Raises what made it impossible, after which the producer is of no use."""
        loop = asyncio.get_running_loop()
        while True:
            await self._is_filled.wait()
            if self._linger_s and len(self._waiting) == 1:
                # All lanes wake at the same beats, so that their batches share a request.
                await asyncio.sleep(self._linger_s - loop.time() % self._linger_s)
            self._sent = self._waiting.popleft()
            if not self._waiting:
                self._is_filled.clear()
            await self._send(self._sent)
            self.in_flight_bytes -= self._sent.size_bytes
            self._sent.outcome.set_result(None)
            self._sent = None

    async def _send(self, batch: _Batch) -> None:
        try:
            async with asyncio.timeout(self._acknowledge_timeout_s):
                acknowledged = await self._producer.send_batch(
                    batch.builder, self._topic, partition=self._partition
                )
                await acknowledged
        except TimeoutError:
            raise RetryableError(
                f"Kafka has not acknowledged within {self._acknowledge_timeout_s:g} s"
            ) from None
        except _REFUSALS as e:
            batch.outcome.set_result(OutputLostError(f"Kafka refuses a record: {type(e).__name__}"))
            raise
        except KafkaError as e:
            raise RetryableError(f"Kafka does not take records: {type(e).__name__}") from e
