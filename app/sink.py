"""Where the Faust app of a sink is put together: one app, and one consumer group, for each store."""

import logging
from collections.abc import Callable, Mapping

import faust
from prometheus_client import CollectorRegistry

from agents import deliver
from agents.refusals import Refusals
from app.checked_app import CheckedApp
from app.connection import connection_of
from app.elasticsearch import elasticsearch_sink_of
from app.factory import faust_options
from app.health import watch_worker
from app.metrics_page import NAMESPACE
from app.mongodb import mongo_sink_of
from app.parquet import parquet_sink_of
from app.settings import Settings
from app.timestream import timestream_sink_of
from app.topics import topics_of
from models.anonymized_transaction import AnonymizedTransaction
from sinks.base import Sink, StoreAwayError
from sinks.breaker import State
from sinks.delivery import Delivery, DeliveryOptions
from sinks.metrics import SinkMetrics
from streaming.chunk_app import read_in_chunks
from streaming.consumer import ChunkOptions
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError
from streaming.health import Finding
from streaming.log_rate import limit_log_rate
from streaming.metrics import ChunkMetrics

log = logging.getLogger(__name__)

# A consumer that reads nothing for as long leaves its group: a store may be away over a weekend.
_MOST_IDLE_S = 7 * 24 * 3600.0

STORES: Mapping[str, Callable[[Settings], Sink]] = {
    "mongodb": mongo_sink_of,
    "timestream": timestream_sink_of,
    "elasticsearch": elasticsearch_sink_of,
    "parquet": parquet_sink_of,
}
"""Every store by the name of its sink."""


def sink_of(settings: Settings, name: str) -> Sink:
    """Make the sink of a store; it connects to nothing yet. Raises ConfigError."""
    if name not in STORES:
        raise ConfigError(f"no store is called {name!r}; there are: {', '.join(STORES)}")
    return STORES[name](settings)


def group_of(name: str) -> str:
    """The consumer group of a store's sink."""
    return f"bank-sink-{name}"


def create_sink(settings: Settings, name: str, registry: CollectorRegistry) -> faust.App:
    """Make the Faust app of a sink, with its agent; it connects to nothing yet. Raises as `sink_of` does."""
    topics, connection, sink = topics_of(settings), connection_of(settings), sink_of(settings, name)
    app = CheckedApp(
        group_of(name),
        connection=connection,
        topics=topics.sink,
        **connection.faust_options,
        **{
            **faust_options(settings, group_of(name), settings.web_port),
            "store": "memory://",
            "broker_max_poll_interval": _MOST_IDLE_S,
        },
    )
    options = delivery_options(settings)
    refusals = Refusals(topics.dead_letters.name, registry, (topics.anonymized_transactions.name,))
    put_aside = deliver.dead_letters_of(app, refusals, name)
    delivery = Delivery(sink, options, SinkMetrics(registry, name), put_aside)
    inputs = read_in_chunks(
        app,
        ChunkOptions(
            inputs={topics.anonymized_transactions.name: JsonDecoder(AnonymizedTransaction)},
            metrics=ChunkMetrics(registry, NAMESPACE),
            chunk_max_records=min(settings.chunk_max_records, options.batch_max_rows),
            buffer_max_records=settings.buffer_max_records,
            fetch_wait_s=settings.fetch_wait_s,
            settle_timeout_s=settings.settle_timeout_s,
            may_repeat=True,
        ),
    )
    deliver.connect(app, inputs, delivery)
    watch_worker(app, registry, settings, more=lambda: [store_finding(delivery)])
    limit_log_rate("aiokafka")
    return app


def store_finding(delivery: Delivery) -> Finding:
    """Whether the store takes rows."""
    state = delivery.breaker_state
    if not delivery.is_open:
        return Finding(name="store", ok=False, state="not opened yet")
    said = state.name.lower().replace("_", " ")
    return Finding(name="store", ok=state is State.CLOSED, state=f"breaker {said}")


def delivery_options(settings: Settings) -> DeliveryOptions:
    """How a sink delivers."""
    return DeliveryOptions(
        batch_max_rows=settings.sink_batch_max_rows,
        batch_max_wait_s=settings.sink_batch_max_wait_s,
        buffer_max_rows=max(settings.sink_buffer_max_rows, settings.sink_batch_max_rows),
        write_timeout_s=settings.sink_write_timeout_s,
        retry_min_s=settings.sink_retry_min_s,
        retry_max_s=settings.sink_retry_max_s,
        breaker_failures=settings.sink_breaker_failures,
        breaker_open_s=settings.sink_breaker_open_s,
    )


async def check_store(settings: Settings, name: str) -> None:
    """Return if the store takes rows, or does not answer: the worker waits for it. Raises ConfigError."""
    sink = sink_of(settings, name)
    try:
        await sink.open()
    except StoreAwayError as error:
        log.warning("store is away sink=%s: %s", name, error)
    finally:
        await sink.close()
