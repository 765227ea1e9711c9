"""Reads the topics of the live page, without a group, for as long as the page is served."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from app.broker_client import admin_client, groupless_consumer
from app.connection import Connection
from app.topic_state import topic_states
from dashboard.board import Message
from dashboard.live import Live
from dashboard.metrics import DashboardMetrics
from streaming.decoding import JsonDecoder
from streaming.errors import RecordError, RetryableError

log = logging.getLogger(__name__)

_POLL_MS: Final = 100
_PAUSE_S: Final = 0.03  # many small fetches cost more than the records in them
_PROBE_EVERY_S: Final = 2.0
_PROBE_TIMEOUT_S: Final = 5.0
_AGAIN_S: Final = 1.0
_MOST_RECORDS: Final = 5000  # at a time, so that pages are served between
_OPTIONS: Final = {
    "fetch_max_wait_ms": 100,
    "max_partition_fetch_bytes": 4 * 1024 * 1024,
    "auto_offset_reset": "latest",  # a topic that was made anew, or whose old records went while we were away
}

Clock = Callable[[], int]


def clock_ms() -> int:
    """The time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class BoardReader:
    """Puts what is on the topics on the board: from `history_s` ago, and then as it comes.

    Commits nothing. Where Kafka is away it says so, and goes on where it was when Kafka is back. What cannot
    be read is passed over and counted.
    """

    def __init__(
        self,
        connection: Connection,
        decoders: Mapping[str, JsonDecoder[Any]],
        live: Live,
        metrics: DashboardMetrics,
        *,
        history_s: float,
        now_ms: Clock = clock_ms,
    ) -> None:
        self._connection = connection
        self._decoders = decoders
        self._live = live
        self._metrics = metrics
        self._history_ms = int(history_s * 1000)
        self._now_ms = now_ms
        self._positions: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                await self._read()
            except (
                Exception,
                asyncio.CancelledError,
            ) as error:  # whatever it is: pages say that they are not live
                if _is_cancelled():
                    raise
                if self._live.kafka != "away":
                    log.warning("Kafka is away, pages say so: %r", error)
                self._live.kafka = "away"
            await asyncio.sleep(_AGAIN_S)

    async def _read(self) -> None:
        """Read until Kafka does not answer. Raises RetryableError then."""
        tps = await self._partitions()
        async with groupless_consumer(self._connection, **_OPTIONS) as consumer:
            consumer.assign(tps)
            await self._seek(consumer, tps)
            probed_s = time.monotonic()
            while True:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
                for tp, records in fetched.items():
                    self._take(tp.topic, records)
                    self._positions[tp] = records[-1].offset + 1
                if not fetched:
                    self._live.take((), self._now_ms())  # what is old goes, also while nothing comes
                if time.monotonic() - probed_s > _PROBE_EVERY_S:
                    await self._probe(consumer, tps)
                    probed_s = time.monotonic()
                await asyncio.sleep(_PAUSE_S)

    async def _partitions(self) -> list[TopicPartition]:
        """All partitions of the topics. Raises RetryableError where one is not there yet."""
        async with admin_client(self._connection) as admin:
            states = await topic_states(admin)
        if missing := sorted(set(self._decoders) - states.keys()):
            raise RetryableError(f"no topic {', '.join(missing)}: `python -m app topics create`")
        return [
            TopicPartition(topic, number)
            for topic in self._decoders
            for number in range(states[topic].partitions)
        ]

    async def _seek(self, consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> None:
        """Go on where it was; into what is new to it, a while ago."""
        new = [tp for tp in tps if tp not in self._positions]
        if new:
            since_ms = self._now_ms() - self._history_ms
            found = await consumer.offsets_for_times(dict.fromkeys(new, since_ms))
            ends = await consumer.end_offsets(new)
            self._positions |= {tp: at.offset if (at := found[tp]) else ends[tp] for tp in new}
        for tp in tps:
            consumer.seek(tp, self._positions[tp])
        self._live.kafka = "up"
        log.info("reading %d partitions of %s", len(tps), ", ".join(self._decoders))

    async def _probe(self, consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> None:
        """Raise RetryableError where the broker does not answer, or topics have other partitions now."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                ends = await consumer.end_offsets(tps)
        except TimeoutError:
            raise RetryableError(f"{self._connection.bootstrap} does not answer") from None
        behind = [tp for tp in tps if ends[tp] < self._positions[tp]]
        for tp in behind:  # made anew: what is in it is all new
            del self._positions[tp]
        known = sum(len(consumer.partitions_for_topic(topic) or ()) for topic in self._decoders)
        if behind or known != len(tps):
            raise RetryableError("topics have changed: reading them anew")
        self._live.kafka = "up"

    def _take(self, topic: str, records: Sequence[ConsumerRecord]) -> None:
        now_ms = self._now_ms()
        heard: list[tuple[Message, int]] = []
        decoded = self._decoders[topic].decode_many([record.value for record in records])
        for record, message in zip(records, decoded, strict=True):
            if isinstance(message, RecordError):
                self._metrics.bad_records.labels(topic).inc()
            else:
                heard.append((message, self._heard_ms(record.timestamp, now_ms)))
        self._metrics.records.labels(topic).inc(len(records))
        self._metrics.behind_s.set(max(0.0, now_ms - records[-1].timestamp) / 1000)
        self._live.take(heard, now_ms)

    def _heard_ms(self, timestamp_ms: int, now_ms: int) -> int:
        """When it came to Kafka; a record of another time, which `produce` makes of a file, comes now."""
        return timestamp_ms if now_ms - self._history_ms < timestamp_ms <= now_ms else now_ms


def _is_cancelled() -> bool:
    """Whether we were: aiokafka's consumer raises CancelledError, too, where it is stopped without Kafka."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
