"""The one place where records from outside enter Kafka: accepted means acknowledged by the broker.

A producer that fails in any way is replaced: aiokafka's idempotent one never gives up by itself, and after a
batch that was refused or given up, all that follows in its partition is refused as out of order.
"""

import asyncio
import logging
import random
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from copy import copy
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from sources.intake_lane import Lane, Record
from streaming.errors import OutputLostError, PipelineError, RetryableError
from streaming.internals import abandon_producer
from streaming.partitions import remembering_partitioner

log = logging.getLogger(__name__)

_CHECK_TIMEOUT_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class IntakeFullError(RetryableError):
    """As much is under way as memory is set aside for: try again in a moment."""


class IntakeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How records are sent, and how many may be under way."""

    linger_s: float
    """A record waits as long for company in its batch."""
    acknowledge_timeout_s: float
    """A broker that is silent for longer is away."""
    max_in_flight_bytes: int
    max_record_bytes: int
    """Larger ones are refused before they are sent, since a broker refuses whole batches for one record."""


class Intake:
    """Sends records and says when the broker has them; an asynchronous context manager.

    It opens without a broker and connects when there is one. `topics` must exist; it never creates any.
    `check_rights` raises a PipelineError where they may not be written.
    """

    def __init__(
        self,
        make_producer: Callable[[], AIOKafkaProducer],
        topics: Sequence[str],
        options: IntakeOptions,
        check_rights: Callable[[AIOKafkaClient], Awaitable[None]],
    ) -> None:
        self._make_producer, self._check_rights = make_producer, check_rights
        self._topics = tuple(topics)
        self._options = options
        self._connection: _Connection | None = None
        self._absence = "not connected yet"
        self._partition_of = remembering_partitioner()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._stay_connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give what is under way its time to be acknowledged, then close."""
        if self._connection:
            await self._connection.drain(self._options.acknowledge_timeout_s)
        self._keeper.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeper

    @property
    def in_flight_bytes(self) -> int:
        """What is sent or waits for it, whoever still waits for the outcome."""
        return self._connection.in_flight_bytes if self._connection else 0

    async def accept(self, records: Sequence[Record]) -> None:
        """Return when the broker has acknowledged all of `records`.

        Raises IntakeFullError before any of them is sent, RetryableError where Kafka is away or does not
        answer in time, OutputLostError where it refuses one for good, such as one too large. Then any part of
        them may be in the topics; to send them again makes repeats, which are harmless.
        """
        connection, options = self._connected(), self._options
        size_bytes = sum(record.size_bytes for record in records)
        if any(record.size_bytes > options.max_record_bytes for record in records):
            raise OutputLostError(f"a record has more than {options.max_record_bytes:,} bytes")
        if size_bytes > options.max_in_flight_bytes:
            raise OutputLostError(f"more than {options.max_in_flight_bytes:,} bytes can never be in flight")
        if connection.in_flight_bytes + size_bytes > options.max_in_flight_bytes:
            raise IntakeFullError(f"{connection.in_flight_bytes:,} bytes wait for Kafka already")
        outcomes = {self._add(connection, record) for record in records}
        try:
            async with asyncio.timeout(options.acknowledge_timeout_s):
                for outcome in outcomes:
                    if failure := await asyncio.shield(outcome):
                        raise copy(failure)  # many wait for the same one: each has its own traceback
        except TimeoutError:
            raise RetryableError(
                f"Kafka has not acknowledged within {options.acknowledge_timeout_s:g} s"
            ) from None

    async def check(self) -> None:
        """Return if the broker answers, and all topics are there and may be written; else RetryableError."""
        client = self._connected().producer.client
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_S):
                await self._look(client)
        except (KafkaError, TimeoutError) as e:
            raise RetryableError(f"Kafka does not answer: {type(e).__name__}") from e

    async def _look(self, client: AIOKafkaClient) -> None:
        """Raise RetryableError where a topic is missing or not ours: somebody may mend that at any time."""
        existing: Any = (await client.fetch_all_metadata()).topics()  # to ask by name might create a topic
        if absent := [topic for topic in self._topics if topic not in existing]:
            raise RetryableError(
                f"missing or not to be seen: {', '.join(absent)}; `python -m app topics create` makes topics"
            )
        try:
            await self._check_rights(client)
        except PipelineError as e:
            raise RetryableError(str(e)) from e

    def _connected(self) -> "_Connection":
        if self._connection is None or self._connection.failed.done():
            raise RetryableError(f"Kafka is away: {self._absence}")
        return self._connection

    def _add(self, connection: "_Connection", record: Record) -> "Future[PipelineError | None]":
        partitions = connection.partition_count(record.topic)
        return connection.add(record, self._partition_of(record.key, partitions))

    async def _stay_connected(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                async with _Connection(self._make_producer(), self._options) as connection:
                    async with asyncio.timeout(self._options.acknowledge_timeout_s):
                        await connection.producer.client.bootstrap()
                        await self._look(connection.producer.client)  # start() would not name a right
                        await connection.producer.start()
                        for topic in self._topics:
                            await connection.producer.partitions_for(topic)
                    self._connection, self._absence, pause_s = connection, "", _FIRST_PAUSE_S
                    log.info("connected with Kafka")
                    await connection.failed
            except Exception as e:  # noqa: BLE001 (aiokafka raises much; to give up would be to refuse for ever)
                said = str(e) if isinstance(e, PipelineError) else repr(e)
                if said != self._absence:
                    log.warning("Kafka is away: %s", said)
                self._absence = said
            finally:
                self._connection = None
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 (no secret)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class _Connection:
    """One producer, as long as it works, and a lane for each partition that something was sent to."""

    def __init__(self, producer: AIOKafkaProducer, options: IntakeOptions) -> None:
        self.producer = producer
        self.failed: Future[None] = asyncio.get_running_loop().create_future()
        self._options = options
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close. What is not acknowledged ends with RetryableError."""
        for task in self._tasks:
            task.cancel()
        for lane in self._lanes.values():
            lane.give_up(RetryableError("the connection with Kafka failed"))
        self.failed.cancel()
        await abandon_producer(self.producer)

    @property
    def in_flight_bytes(self) -> int:
        return sum(lane.in_flight_bytes for lane in self._lanes.values())

    def partition_count(self, topic: str) -> int:
        partitions = self.producer.client.cluster.partitions_for_topic(topic)
        if not partitions:
            raise RetryableError(f"there is no topic {topic}")
        return len(partitions)

    def add(self, record: Record, partition: int) -> "Future[PipelineError | None]":
        place = record.topic, partition
        lane = self._lanes.get(place)
        if lane is None:
            self._lanes[place] = lane = Lane(
                self.producer,
                *place,
                linger_s=self._options.linger_s,
                acknowledge_timeout_s=self._options.acknowledge_timeout_s,
            )
            task = asyncio.create_task(lane.run())
            task.add_done_callback(self._note_end)
            self._tasks.add(task)
        return lane.add(record)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) and not self.failed.done():
            self.failed.set_exception(error)

    async def drain(self, timeout_s: float) -> None:
        outcomes = [outcome for lane in self._lanes.values() for outcome in lane.outcomes]
        if outcomes:
            await asyncio.wait(outcomes, timeout=timeout_s)
