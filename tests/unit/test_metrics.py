"""docs/metrics.md says what the processes show, and Prometheus' own tool finds nothing wrong."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import CollectorRegistry, generate_latest

from app.bridge import _pages
from app.factory import create_detector
from app.health import event_loop_watch
from app.metrics_page import process_registry
from app.notice_reading import DeadLetters, Reading
from app.notifier import _pages as pages_of_notifier
from app.publishing import create_publisher
from app.settings import PROJECT_DIR, Settings
from app.sink import create_sink
from dashboard.metrics import DashboardMetrics
from notifications.delivery import Delivery, DeliveryOptions
from notifications.desk import Desk
from notifications.metrics import NotificationMetrics
from notifications.receiver import Receiver
from sources.gateway.metrics import GatewayMetrics
from sources.intake import Intake
from sources.iot.bridge import Bridge
from sources.iot.messages import Reader
from sources.iot.subscriber import Subscriber
from streaming.metrics import BulkHistogram
from tests.promtool import problems_of

PAGE = (PROJECT_DIR / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|(.*?)\|.*?\| (.+?) \| .+ \|$", re.MULTILINE)
WORKERS = {"detector", "publisher", "sink"}
UNBOUNDED = re.compile(r"device|user|card|merchant|transaction|token|key|offset|path|host|id$")


def settings(folder: Path) -> Settings:
    """Settings with which every metric is there; nothing is connected to."""
    key_file = folder / "token.key"
    key_file.write_text("test:" + "5a" * 32)
    return Settings(
        token_key_file=str(key_file),
        state_dir=str(folder),
        epsilon_per_hour=0.1,
        mongodb_uri="mongodb://nobody@127.0.0.1:1/",
    )


def detector(folder: Path, registry: CollectorRegistry) -> None:
    """As `worker detector`."""
    create_detector(settings(folder), registry)


def publisher(folder: Path, registry: CollectorRegistry) -> None:
    """As `worker publisher`."""
    create_publisher(settings(folder), registry)


def sink(folder: Path, registry: CollectorRegistry) -> None:
    """As `worker sink mongodb`."""
    create_sink(settings(folder), "mongodb", registry)


def gateway(_folder: Path, registry: CollectorRegistry) -> None:
    """As `gateway`."""
    event_loop_watch(registry)
    GatewayMetrics(registry)


def bridge(_folder: Path, registry: CollectorRegistry) -> None:
    """As `bridge`."""
    subscriber = create_autospec(Subscriber, connections_total=1, dropped_total=0, is_subscribed=True)
    subscriber.waiting_total = 0
    intake: Any = create_autospec(Intake)
    Bridge(subscriber, create_autospec(Reader), intake, registry)
    _pages(subscriber, intake, registry, event_loop_watch(registry).finding)  # type: ignore[arg-type]


def notifier(_folder: Path, registry: CollectorRegistry) -> None:
    """As `notify`."""
    metrics, consumer = NotificationMetrics(registry), create_autospec(AIOKafkaConsumer)
    letters = DeadLetters(create_autospec(AIOKafkaProducer), "dead_letters", "webhook", registry)
    reading = Reading(consumer, create_autospec(Desk), {}, frozenset(), letters)
    delivery = Delivery(create_autospec(Receiver), DeliveryOptions(), metrics, asyncio.Event())
    pages_of_notifier(registry, event_loop_watch(registry).finding, reading, delivery)  # type: ignore[arg-type]


def dashboard(_folder: Path, registry: CollectorRegistry) -> None:
    """As `dashboard`."""
    DashboardMetrics(registry)


PROCESSES: dict[str, Callable[[Path, CollectorRegistry], None]] = {
    each.__name__: each for each in (detector, publisher, sink, gateway, bridge, notifier, dashboard)
}


@pytest.fixture(params=PROCESSES)
def process(request: pytest.FixtureRequest) -> str:
    """Each process' name."""
    return str(request.param)


@pytest.fixture
def registry(process: str, tmp_path: Path) -> CollectorRegistry:
    """What it shows."""
    registry = process_registry()
    PROCESSES[process](tmp_path, registry)
    return registry


def documented(process: str) -> Iterator[tuple[str, str]]:
    """Names and types that the page says of a process."""
    for name, kind, _, where in ROW.findall(PAGE):
        processes = set(where.split(", "))
        everywhere = "every" in processes or ("worker" in processes and process in WORKERS)
        if everywhere or process in processes:
            yield name, kind


def shown(registry: CollectorRegistry) -> Iterator[tuple[str, str]]:
    """Names and types that a process shows."""
    for family in registry.collect():
        yield family.name + "_total" * (family.type == "counter"), family.type


def test_the_page_has_every_metric_and_no_other(process: str, registry: CollectorRegistry) -> None:
    """Of each process, with its type."""
    assert sorted(documented(process)) == sorted(shown(registry))


def test_every_row_of_the_page_is_read() -> None:
    """Else a row with a slip would be checked by nobody."""
    assert len(ROW.findall(PAGE)) == len(
        re.findall(r"^\| `(?:smartbank|process|python)_", PAGE, re.MULTILINE)
    )


def test_prometheus_reads_the_page_and_finds_nothing_wrong(registry: CollectorRegistry) -> None:
    """`promtool check metrics`: names, units, help."""
    assert problems_of(generate_latest(registry)) == ""


def test_the_tool_would_find_something() -> None:
    """One that accepts everything would prove nothing."""
    assert "_total" in problems_of(b"# HELP smartbank_x X.\n# TYPE smartbank_x counter\nsmartbank_x 1\n")


def test_no_label_can_grow_without_bounds() -> None:
    """No device, no user, no message's content."""
    labels = {label for _, _, cell, _ in ROW.findall(PAGE) for label in re.findall(r"`(\w+)`", cell)}
    assert labels >= {"topic", "outcome", "reason"}
    assert not [label for label in labels if UNBOUNDED.search(label)]


def test_a_bulk_histogram_counts_as_prometheus_own_does() -> None:
    """A value belongs to the bucket whose bound it does not exceed."""
    registry = CollectorRegistry()
    histogram = BulkHistogram("x_seconds", "X.", (0.1, 1.0), registry)
    histogram.observe([])
    histogram.observe([0.05, 0.1, 0.5])
    histogram.observe([1.0, 7.0])
    found = [registry.get_sample_value("x_seconds_bucket", {"le": le}) for le in ("0.1", "1.0", "+Inf")]
    assert found == [2, 4, 5]
    assert registry.get_sample_value("x_seconds_count") == 5
    assert registry.get_sample_value("x_seconds_sum") == pytest.approx(8.65)
