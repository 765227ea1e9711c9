"""The notifier, put together: from flagged transactions on Kafka to people. It ends at SIGTERM."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from aiohttp import web
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRecord,
)
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from app.broker_client import explained, silent_client_logs
from app.checked_app import check_start
from app.connection import Connection, connection_of
from app.health import event_loop_watch, running
from app.metrics_page import process_registry
from app.notice_reading import DeadLetters, Reading, ReadNotice
from app.receivers import receiver_of
from app.settings import Settings
from app.topics import Topics, topics_of
from app.web_server import pages_of, serving
from detection.words import reason_in_words
from models.card_testing_alert import CardTestingAlert
from models.flagged_transaction import FlaggedTransaction
from notifications.delivery import Delivery, DeliveryOptions, StoppedError
from notifications.desk import Desk
from notifications.metrics import NotificationMetrics
from notifications.notice import EVENTS, Notice, notice_of_card_testing, notice_of_flagged
from notifications.pace import Pace
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError
from streaming.health import Finding
from streaming.internals import abandon_producer
from streaming.log_rate import limit_log_rate
from streaming.metrics import Asked

log = logging.getLogger(__name__)

_MOST_IDLE_S = 7 * 24 * 3600.0  # as in app/sink.py: a receiver may be away over a weekend
_KAFKA_TIMEOUT_S = 10.0


async def run_notifier(settings: Settings) -> None:
    """Tell people until SIGTERM or SIGINT.

    Raises ConfigError for settings that cannot work, CoPartitionError where topics are missing,
    RetryableError where Kafka is away at the start, OutputLostError where it does not take a dead letter, and
    as `explained` does where it refuses us later.
    """
    receiver, events = receiver_of(settings), _events(settings)
    topics, connection, registry = topics_of(settings), connection_of(settings), process_registry()
    loop_watch = event_loop_watch(registry)
    with silent_client_logs():
        await check_start(connection, topics.notifier, settings.notify_id)
    limit_log_rate("aiokafka")
    metrics, stop = NotificationMetrics(registry), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack, running(loop_watch):
        stack.push_async_callback(receiver.close)
        delivery = Delivery(receiver, _delivery_options(settings), metrics, stop)
        letters = await stack.enter_async_context(_dead_letters(connection, topics, settings, registry))
        desk = Desk(
            deliver=delivery.deliver,
            put_aside=letters.put_aside,
            pause=delivery.pause,
            pace=Pace(settings.notify_per_minute),
            metrics=metrics,
        )
        consumer = await stack.enter_async_context(_consumer(connection, settings))
        reading = Reading(consumer, desk, _readers(topics, settings), events, letters)
        consumer.subscribe([topic.name for topic in topics.notifier.reads], listener=reading)
        if settings.notify_web_port:
            is_alive = partial(loop_watch.finding, settings.stuck_after_s)
            pages = _pages(registry, is_alive, reading, delivery)
            web_server = serving(pages, settings.web_host, settings.notify_web_port, "notify_web_port")
            await stack.enter_async_context(web_server)
        log.info("telling people channel=%s events=%s", settings.notify_channel, ",".join(sorted(events)))
        with suppress(StoppedError), explained(connection):
            await reading.run(stop)
        log.info("stopping; what is not told is told after the next start")


def _readers(topics: Topics, settings: Settings) -> Mapping[str, ReadNotice]:
    """What makes a notice of a record, by topic. Raises RecordError for one that cannot be read."""
    flagged, card_testing = JsonDecoder(FlaggedTransaction), JsonDecoder(CardTestingAlert)

    def of_flagged(record: ConsumerRecord) -> Notice:
        return notice_of_flagged(
            flagged.decode(record.value), in_words=reason_in_words, link_base=settings.notify_link_base
        )

    def of_card_testing(record: ConsumerRecord) -> Notice:
        return notice_of_card_testing(card_testing.decode(record.value))

    return {topics.potential_fraud.name: of_flagged, topics.card_testing_alerts.name: of_card_testing}


def _events(settings: Settings) -> frozenset[str]:
    events = frozenset(event.strip() for event in settings.notify_events.split(",") if event.strip())
    if not events or not events <= set(EVENTS):
        raise ConfigError(
            f"SMARTBANK_NOTIFY_EVENTS is {settings.notify_events!r}; wanted some of {', '.join(EVENTS)}"
        )
    return events


def _delivery_options(settings: Settings) -> DeliveryOptions:
    return DeliveryOptions(
        retry_min_s=settings.notify_retry_min_s,
        retry_max_s=settings.notify_retry_max_s,
        give_up_s=settings.notify_give_up_s,
    )


@asynccontextmanager
async def _consumer(connection: Connection, settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **connection.client_options,
        group_id=settings.notify_id,
        group_instance_id=settings.instance_id or None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_interval_ms=int(_MOST_IDLE_S * 1000),
        session_timeout_ms=int(settings.session_timeout_s * 1000),
        heartbeat_interval_ms=int(settings.heartbeat_interval_s * 1000),
        rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
        request_timeout_ms=int(settings.request_timeout_s * 1000),
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        with suppress(TimeoutError, KafkaError):
            await asyncio.wait_for(consumer.stop(), _KAFKA_TIMEOUT_S)


@asynccontextmanager
async def _dead_letters(
    connection: Connection, topics: Topics, settings: Settings, registry: CollectorRegistry
) -> AsyncIterator[DeadLetters]:
    producer = AIOKafkaProducer(
        **connection.client_options, acks="all", request_timeout_ms=int(settings.request_timeout_s * 1000)
    )
    await producer.start()
    try:
        yield DeadLetters(producer, topics.dead_letters.name, settings.notify_channel, registry)
    finally:
        await abandon_producer(producer)


def _pages(
    registry: CollectorRegistry, is_alive: Callable[[], Finding], reading: Reading, delivery: Delivery
) -> web.Application:
    """/metrics, /livez, and /readyz: in the group, and the receiver takes messages."""
    Asked(registry, reading.lags)

    async def is_ready() -> list[Finding]:
        joined, heard = reading.has_joined, not delivery.is_away
        return [
            Finding(name="partitions", ok=joined, state="assigned" if joined else "not in the group"),
            Finding(name="receiver", ok=heard, state="takes messages" if heard else "is away"),
        ]

    return pages_of(registry, is_alive, is_ready)
