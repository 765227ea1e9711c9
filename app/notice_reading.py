"""From records to the desk: what is told is committed, what cannot be told is put aside."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from app.metrics_page import NAMESPACE
from models.dead_letter import DeadLetter
from notifications.desk import Desk, Told
from notifications.notice import Notice
from streaming.errors import OutputLostError, RecordError
from streaming.metrics import dead_letter_counter, gauge

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 500
_POLL_S = 0.5
_KAFKA_TIMEOUT_S = 10.0

ReadNotice = Callable[[ConsumerRecord], Notice]
"""Raises RecordError for a record that cannot be read."""


class Reading(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped for us
    """Reads records, has the desk tell of them, and commits what is told."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        desk: Desk,
        readers: Mapping[str, ReadNotice],
        events: frozenset[str],
        letters: "DeadLetters",
    ) -> None:
        self._consumer = consumer
        self._desk = desk
        self._readers = readers
        self._events = events
        self._letters = letters
        self._ends: dict[TopicPartition, int] = {}  # not committed yet
        self._starts: dict[TopicPartition, int] = {}  # the first offset of each that is not committed
        self._assignments = 0
        self._has_joined = False

    @property
    def has_joined(self) -> bool:
        """Whether it is in its group, and no rebalance goes on. Others may have all partitions."""
        return self._has_joined

    def lags(self) -> Iterable[Metric]:
        """How many records of each partition are not committed, as far as it is known."""
        lags = []
        for tp, start in self._starts.items():
            if (end := self._consumer.highwater(tp)) is not None:
                lags.append((tp, float(max(end - start, 0))))
        doc = "Records of an input behind the committed offset."
        yield gauge("smartbank_consumer_lag_records", doc, ("topic", "partition"), lags)

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop`. Raises StoppedError where it comes in the middle of a message."""
        while not stop.is_set():
            wait_s = min(_POLL_S, self._desk.wait_s)
            fetched = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=_MOST_AT_ONCE)
            await self._read([record for records in fetched.values() for record in records])
            await self._desk.turn()
            await self._commit()

    async def _read(self, records: Sequence[ConsumerRecord]) -> None:
        assignment = self._assignments
        for record in records:
            tp = TopicPartition(record.topic, record.partition)
            self._starts.setdefault(tp, record.offset)
            is_work = await self._take(record)
            if self._assignments != assignment:
                return  # the rest comes again, to us or to another
            self._ends[tp] = record.offset + 1
            if is_work:  # after each message: a kill repeats one
                await self._commit()

    async def _take(self, record: ConsumerRecord) -> bool:
        """Have it told, or put it aside; False where nobody wants to hear of it."""
        try:
            notice = self._readers[record.topic](record)
        except RecordError as error:
            await self._letters.put_aside([record], error)
            return True
        if notice.event not in self._events:
            return False
        await self._desk.take(Told(notice, record))
        return True

    async def _commit(self) -> None:
        """Commit what was read, unless some of it waits for a digest. Where that fails the next one does."""
        if not self._ends or not self._desk.is_clear:
            return
        ends, self._ends = self._ends, {}
        try:
            async with asyncio.timeout(_KAFKA_TIMEOUT_S):
                await self._consumer.commit(ends)
                self._starts |= {tp: end for tp, end in ends.items() if tp in self._starts}
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets are not committed yet: %r", error)
            if self._consumer.assignment() >= ends.keys():
                self._ends = ends | self._ends

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget what is not told: whoever owns the partitions next reads it again."""
        self._assignments += 1
        self._has_joined = False
        self._ends.clear()
        self._starts.clear()
        self._desk.drop()
        log.info("partitions given up: %d", len(revoked))

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Say so."""
        self._has_joined = True
        log.info("partitions taken: %d", len(assigned))


class DeadLetters:
    """Puts records aside that cannot be read, or that the receiver refuses."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, store: str, registry: CollectorRegistry
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._store = store
        self._counter = dead_letter_counter(registry, NAMESPACE)

    async def put_aside(self, records: Sequence[ConsumerRecord], error: RecordError) -> None:
        """Return when the broker has them all. Raises OutputLostError."""
        try:
            await asyncio.gather(*[self._send(record, error) for record in records])
        except KafkaError as e:
            raise OutputLostError(f"Kafka did not take a dead letter: {e!r}") from e
        for record in records:
            self._counter.labels(record.topic, error.reason_code).inc()
        log.warning(
            "events became dead letters records=%d reason_code=%s: %s",
            len(records),
            error.reason_code,
            error.reason,
        )

    async def _send(self, record: ConsumerRecord, error: RecordError) -> None:
        letter = DeadLetter.of(
            reason_code=error.reason_code,
            reason=error.reason,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            store=self._store,
        )
        await self._producer.send_and_wait(self._topic, letter.value, key=letter.key, headers=letter.headers)
