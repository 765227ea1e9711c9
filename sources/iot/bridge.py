"""From MQTT to Kafka: a message is acknowledged when Kafka has it, and not before."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import prometheus_client as prometheus

from sources.intake import Intake
from sources.intake_lane import Record
from sources.iot.messages import Reader
from sources.iot.subscriber import Delivery, Subscriber
from streaming.decoding import MALFORMED
from streaming.errors import RetryableError
from streaming.metrics import dead_letter_counter

_MOST_AT_ONCE = 1000
_MOST_AT_ONCE_BYTES = 1024 * 1024  # of values; well below what an Intake takes
_ORIGIN = "mqtt"  # of dead letters; their topics have no bound
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

Pair = tuple[Delivery, Record]


class Bridge:
    """Takes what has arrived, sends it, acknowledges it, and then takes what has arrived meanwhile.

    One burst after the other: that keeps the order of a device's messages, and the more there is to do, the
    more is done at once.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        reader: Reader,
        intake: Intake,
        registry: prometheus.CollectorRegistry,
    ) -> None:
        self._subscriber, self._reader, self._intake = subscriber, reader, intake
        self._accepted = prometheus.Counter(
            "smartbank_iot_messages",
            "Messages that became a record of this topic.",
            ["topic"],
            registry=registry,
        )
        self._left = prometheus.Counter(
            "smartbank_iot_messages_left_to_the_broker",
            "Messages that were let go while Kafka was away, since the broker sends them again.",
            registry=registry,
        )
        self._dead_letters = dead_letter_counter(registry, "smartbank")
        self._dead_letters.labels(_ORIGIN, MALFORMED)  # from 0 on: the first one is an increase, too

    async def run(self) -> None:
        """Work until the subscriber is closed; then everything that was taken is done.

        Where Kafka is away, what was taken is tried until it is back. Raises OutputLostError where Kafka
        refuses records for good; then they are not acknowledged.
        """
        while burst := await self._subscriber.burst(_MOST_AT_ONCE):
            now_ms = time.time_ns() // 1_000_000
            records = self._reader.records([delivery.message for delivery in burst], now_ms)
            for pairs in _portions(zip(burst, records, strict=True)):
                await self._deliver(pairs)

    async def _deliver(self, pairs: Sequence[Pair]) -> None:
        pause_s = _FIRST_PAUSE_S
        while pairs:
            try:
                await self._intake.accept([record for _, record in pairs])
            except RetryableError:  # the intake logs why
                await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 (no secret)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                pairs = self._still_ours(pairs)
            else:
                self._subscriber.acknowledge(delivery for delivery, _ in pairs)
                self._count([record for _, record in pairs])
                return

    def _count(self, records: Sequence[Record]) -> None:
        for topic, count in Counter(record.topic for record in records).items():
            self._accepted.labels(topic).inc(count)
        for record in records:
            if reason_code := dict(record.headers).get("reason_code"):
                self._dead_letters.labels(_ORIGIN, reason_code.decode()).inc()

    def _still_ours(self, pairs: Sequence[Pair]) -> Sequence[Pair]:
        """Those that do not come again anyhow."""
        ours = [pair for pair in pairs if not self._subscriber.comes_again(pair[0])]
        self._left.inc(len(pairs) - len(ours))
        return ours


def _portions(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """All of `pairs`, in lists of _MOST_AT_ONCE_BYTES or little more."""
    portion: list[Pair] = []
    size_bytes = 0
    for pair in pairs:
        portion.append(pair)
        size_bytes += pair[1].size_bytes
        if size_bytes >= _MOST_AT_ONCE_BYTES:
            yield portion
            portion, size_bytes = [], 0
    if portion:
        yield portion
