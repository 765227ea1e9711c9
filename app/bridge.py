"""The bridge from MQTT to Kafka, put together: it ends at SIGTERM, with nothing half done."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.connection import connection_of
from app.health import event_loop_watch, running
from app.intake import intake_of
from app.iot import iot_connection_of, reader_of, topic_filter_of
from app.metrics_page import process_registry
from app.settings import Settings
from app.topics import topics_of
from app.web_server import pages_of, serving
from sources.intake import Intake
from sources.iot.bridge import Bridge
from sources.iot.subscriber import Subscriber
from streaming.errors import RetryableError
from streaming.garbage import collect_less_often
from streaming.health import Finding
from streaming.log_rate import limit_log_rate
from streaming.metrics import Asked

log = logging.getLogger(__name__)


async def run_bridge(settings: Settings) -> None:
    """Bring messages to Kafka until SIGTERM or SIGINT.

    Brokers may be away, at the start too. Raises ConfigError for settings that cannot work and where the MQTT
    broker refuses the subscription, OutputLostError where Kafka refuses records for good.
    """
    iot_connection, topic_filter, reader = (
        iot_connection_of(settings, settings.iot_client_id),
        topic_filter_of(settings),
        reader_of(settings),
    )
    topics, registry = topics_of(settings), process_registry()
    loop_watch = event_loop_watch(registry)
    limit_log_rate("aiokafka")
    async with AsyncExitStack() as stack, running(loop_watch):
        intake = await stack.enter_async_context(
            intake_of(connection_of(settings), settings, topics.location_data, topics.dead_letters)
        )
        subscriber = Subscriber(
            iot_connection,
            topic_filter,
            receive_maximum=settings.iot_receive_maximum,
            session_expiry_s=settings.iot_session_expiry_s,
        )
        bridge = Bridge(subscriber, reader, intake, registry)
        if settings.iot_web_port:
            is_alive = partial(loop_watch.finding, settings.stuck_after_s)
            pages = _pages(subscriber, intake, registry, is_alive)
            web_server = serving(pages, settings.web_host, settings.iot_web_port, "iot_web_port")
            await stack.enter_async_context(web_server)
        await stack.enter_async_context(subscriber)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, subscriber.close)
        collect_less_often()
        await _run(bridge, subscriber, settings.intake_acknowledge_timeout_s)


async def _run(bridge: Bridge, subscriber: Subscriber, patience_s: float) -> None:
    """Run until the subscriber is closed, and then no longer than `patience_s`: Kafka may be away."""
    running = asyncio.create_task(bridge.run())
    await asyncio.wait({running, subscriber.closed}, return_when=asyncio.FIRST_COMPLETED)
    subscriber.close()
    await asyncio.wait({running}, timeout=patience_s)
    if running.done():
        running.result()
    else:
        running.cancel()
        log.warning("stopped before Kafka was back; the MQTT broker keeps what is not acknowledged")
    subscriber.closed.result()


def _pages(
    subscriber: Subscriber, intake: Intake, registry: CollectorRegistry, is_alive: Callable[[], Finding]
) -> web.Application:
    """/metrics, /livez, and /readyz: subscribed, and Kafka answers."""
    Asked(registry, partial(_counts, subscriber))

    async def is_ready() -> list[Finding]:
        is_subscribed = subscriber.is_subscribed
        state = "subscribed" if is_subscribed else "not subscribed"
        return [Finding(name="subscription", ok=is_subscribed, state=state), await _kafka(intake)]

    return pages_of(registry, is_alive, is_ready)


async def _kafka(intake: Intake) -> Finding:
    try:
        await intake.check()
    except RetryableError as error:
        return Finding(name="kafka", ok=False, state=str(error))
    return Finding(name="kafka", ok=True, state="answers")


def _counts(subscriber: Subscriber) -> Iterator[Metric]:
    for family, name, doc, value in (
        (GaugeMetricFamily, "subscribed", "1 while subscribed.", subscriber.is_subscribed),
        (CounterMetricFamily, "connections", "Connections made.", subscriber.connections_total),
        (
            GaugeMetricFamily,
            "waiting_messages",
            "Messages that wait for their turn.",
            subscriber.waiting_total,
        ),
        (CounterMetricFamily, "dropped_messages", "QoS 0 messages dropped.", subscriber.dropped_total),
    ):
        yield family(f"smartbank_iot_{name}", doc, value=float(value))
