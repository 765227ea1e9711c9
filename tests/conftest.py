"""The real broker that tests stand on. In CI a broker that cannot be had is a failure, elsewhere a skip."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from app.local_broker.config import BrokerConfig, LocalServerError
from app.local_broker.local_kafka import LocalKafka
from tests.mosquitto import Mosquitto, find_mosquitto
from tests.pipeline import Pipeline
from tests.secured_kafka import SecuredKafka
from tests.services.mongodb import MongoServer

# Shells start background jobs with SIGINT ignored, which commands under test would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Drawn here, before pytest-xdist starts its workers, which must collect the same tests.
os.environ.setdefault("FAULT_SEED", str(random.randrange(100_000)))

# A busy machine is no counter-example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


# What takes seconds in production may take less where a test waits for it.
_QUICK = BrokerConfig(
    properties={
        "group.min.session.timeout.ms": "1000",
        "log.cleaner.backoff.ms": "200",  # how often compaction looks for something to do
        "log.initial.task.delay.ms": "1000",  # and when first
    }
)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of one broker for the whole run; its topics are whatever tests left there."""
    broker = LocalKafka(tmp_path_factory.mktemp("kafka"), _QUICK)
    try:
        started = broker.start()
    except LocalServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no broker: {error}")
    yield started.address
    broker.stop()


@pytest.fixture
def fresh_kafka(kafka_bootstrap: str) -> str:
    """The broker's address when it holds no topics and no consumer groups."""
    Pipeline.delete_all_topics(kafka_bootstrap)
    return kafka_bootstrap


@pytest.fixture(scope="module")
def own_kafka(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:  # noqa: ARG001 (skips where there is none)
    """A running broker that the tests of a module may kill; they leave it running."""
    broker = LocalKafka(tmp_path_factory.mktemp("own-kafka"), _QUICK)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def secured(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """A broker with ACLs for a module; `kafka_bootstrap` skips where there can be none."""
    del kafka_bootstrap
    with SecuredKafka.running(tmp_path_factory.mktemp("secured")) as running:
        yield running


@pytest.fixture
def pipeline(fresh_kafka: str, tmp_path: Path) -> Iterator[Pipeline]:
    """Topics on the fresh broker, and workers that are stopped at the end of the test."""
    with Pipeline(fresh_kafka, tmp_path) as running:
        running.create_topics()
        yield running


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """One MongoDB server for the whole run."""
    with MongoServer(tmp_path_factory.mktemp("mongodb")) as running:
        yield running


@pytest.fixture
def mongodb(mongo_server: MongoServer) -> MongoServer:
    """The server without our database."""
    with mongo_server.client() as client:
        client.drop_database("bank")
    return mongo_server


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running MQTT broker that holds nothing yet."""
    if find_mosquitto() is None and not os.environ.get("CI"):
        pytest.skip("no MQTT broker: apt-get install mosquitto")
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as running:
        yield running
