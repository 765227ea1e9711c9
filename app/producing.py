"""Sending events to Kafka: as fast as it takes them, or in the rhythm of their arrivals."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import ClusterAuthorizationFailedError, InvalidTimestampError

from app.broker_client import REQUEST_TIMEOUT_S, admin_client, explained, user_of
from app.connection import Connection
from app.topic_admin import CREATE_COMMAND
from app.topic_state import topic_states
from sources.event_file import Event
from streaming.errors import ConfigError, OutputLostError, RetryableError
from streaming.internals import abandon_producer
from streaming.partitions import remembering_partitioner

_BATCH_BYTES = 256 * 1024
_LINGER_S = 0.005  # where events are paced: as long may one wait for company
_ACKNOWLEDGE_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducedCounts:
    """Records that the broker has acknowledged, by topic, and how long that took."""

    by_topic: Mapping[str, int]
    elapsed_s: float

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_topic.values())


async def produce_events(
    connection: Connection,
    events: Iterable[Event],
    *,
    speed: float | None = None,
    on_progress: Progress = lambda _acknowledged: None,
) -> ProducedCounts:
    """Send `events` and return when the broker has acknowledged all of them (acks=all, idempotent).

    Record timestamp: arrival_ms; partition: Kafka's murmur2 of the key. The order is kept within a topic
    and key. With `speed`, an event is sent when its distance to the first one's arrival, divided by `speed`,
    has passed; events behind their time are sent at once. `on_progress` hears how many are acknowledged.

    Raises ConfigError for a topic that does not exist, before it sends anything to it, OutputLostError where
    the broker refuses records, with topic and number, RetryableError where it is away. Then an unknown part
    of the events is in the topics.
    """
    async with admin_client(connection) as admin:
        partitions_by_topic = {name: state.partitions for name, state in (await topic_states(admin)).items()}
    started_s = time.monotonic()
    producer = AIOKafkaProducer(
        **connection.client_options,
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000),
    )
    with explained(connection):
        try:
            await producer.start()
            sending = _Sending(producer, partitions_by_topic, on_progress)
            await _send_all(sending, events, speed)
        except ClusterAuthorizationFailedError as e:  # whoever may write any topic may be idempotent
            raise ConfigError(
                f"{user_of(connection)} may write no topic at {connection.bootstrap}:"
                " grant it with kafka-acls.sh"
            ) from e
        finally:
            await _stop(producer)
    return ProducedCounts(by_topic=dict(sending.acknowledged), elapsed_s=time.monotonic() - started_s)


async def _send_all(sending: "_Sending", events: Iterable[Event], speed: float | None) -> None:
    pace = None
    for line, event in enumerate(events, start=1):
        if speed is not None:
            pace = pace or _Pace(event.arrival_ms, speed)
            if (wait_s := pace.wait_s(event.arrival_ms)) > _LINGER_S:
                await sending.send_open()
                await asyncio.sleep(wait_s)
        await sending.add(line, event)
    await sending.finish()


class _Pace:
    """When an event is due: `speed` times as fast as they arrived, from now on."""

    def __init__(self, first_arrival_ms: int, speed: float) -> None:
        self._first_arrival_ms, self._speed = first_arrival_ms, speed
        self._started_s = time.monotonic()

    def wait_s(self, arrival_ms: int) -> float:
        due_s = self._started_s + (arrival_ms - self._first_arrival_ms) / 1000 / self._speed
        return due_s - time.monotonic()


class _Batch:
    """Records of one partition, of lines of the input from `first_line` to `last_line`."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int, line: int) -> None:
        self.builder: Any = producer.create_batch()
        self.topic, self.partition = topic, partition
        self.first_line = self.last_line = line

    def has_taken(self, line: int, event: Event, key: bytes | None) -> bool:
        """Append an event; False where there is no more room. An empty batch has room for any."""
        if not self.builder.append(timestamp=event.arrival_ms, key=key, value=event.value_bytes):
            return False
        self.last_line = line
        return True


class _Sending:
    """Batches by partition, filled by hand: producer.send() makes a future for each record."""

    def __init__(
        self, producer: AIOKafkaProducer, partitions_by_topic: Mapping[str, int], on_progress: Progress
    ) -> None:
        self.acknowledged: Counter[str] = Counter()
        self._producer, self._on_progress = producer, on_progress
        self._partition_of = _partitioner(partitions_by_topic)
        self._open: dict[tuple[str, int], _Batch] = {}
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._failure: OutputLostError | None = None

    async def add(self, line: int, event: Event) -> None:
        """Put an event into its batch; send the batch where it is full."""
        key = event.key_bytes
        place = event.topic, self._partition_of(event.topic, key)
        batch = self._open.get(place)
        if batch is not None:
            if batch.has_taken(line, event, key):
                return
            await self._send(batch)
        self._open[place] = batch = _Batch(self._producer, *place, line)
        batch.has_taken(line, event, key)

    async def send_open(self) -> None:
        """Send what there is, full or not."""
        batches = list(self._open.values())
        self._open.clear()
        for batch in batches:
            await self._send(batch)

    async def finish(self) -> None:
        """Return when everything is acknowledged."""
        await self.send_open()
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=_ACKNOWLEDGE_TIMEOUT_S)
        self._raise_failure()
        if self._in_flight:
            raise RetryableError(f"the broker acknowledged nothing for {_ACKNOWLEDGE_TIMEOUT_S:g} s")

    async def _send(self, batch: _Batch) -> None:
        """Hand a batch over; waits while the one before it has not left for the broker."""
        self._raise_failure()
        future = await self._producer.send_batch(batch.builder, batch.topic, partition=batch.partition)
        self._in_flight.add(future)
        future.add_done_callback(partial(self._note, batch))

    def _note(self, batch: _Batch, future: "asyncio.Future[Any]") -> None:
        self._in_flight.discard(future)
        if future.cancelled():
            return
        if error := future.exception():
            self._failure = self._failure or _failure(batch, error)
            return
        self.acknowledged[batch.topic] += batch.builder.record_count()
        self._on_progress(self.acknowledged.total())

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure


def _partitioner(partitions_by_topic: Mapping[str, int]) -> Callable[[str, bytes | None], int]:
    """Return `partition_of(topic, key)`, as Java's clients choose it; any partition where the key is None."""
    partition_of_key = remembering_partitioner()

    def partition_of(topic: str, key: bytes | None) -> int:
        if topic not in partitions_by_topic:
            raise ConfigError(f"there is no topic {topic}: run `{CREATE_COMMAND}`")
        count = partitions_by_topic[topic]
        return random.randrange(count) if key is None else partition_of_key(key, count)  # noqa: S311

    return partition_of


def _failure(batch: _Batch, error: BaseException) -> OutputLostError:
    """Say what the broker did not take. It refuses whole batches: one of these lines is the cause."""
    reason = type(error).__name__
    if isinstance(error, InvalidTimestampError):
        reason = "a time of arrival is too far from the broker's clock, by default more than an hour ahead"
    return OutputLostError(
        f"{batch.topic}[{batch.partition}] refuses records {batch.first_line} to {batch.last_line}"
        f" of the input: {reason}"
    )


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer also where the broker is away: then its own stop() would wait for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await producer.stop()
            return
    await abandon_producer(producer)
