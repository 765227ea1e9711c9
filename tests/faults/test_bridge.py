"""Everything that an MQTT broker has acknowledged to a device is in Kafka, whoever dies in between.

The long form publishes 100,000 messages; how often, FAULT_ROUNDS says.
"""

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from app.local_broker.local_kafka import LocalKafka
from tests.bridge import BridgeProcess
from tests.faults.conftest import ROUNDS
from tests.faults.stream import let_it_run
from tests.messages import location_message
from tests.mosquitto import BRIDGE, DEVICES, Mosquitto, Publisher
from tests.pipeline import Pipeline, wait_until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.parametrize("store", ["memory"]),  # no detector runs here
]

MESSAGES = 100_000 if ROUNDS else 5_000
_PHONES = 100
_RATE_PER_S = 2500
_ARRIVAL_S = 120.0


@contextmanager
def publishing(mosquitto: Mosquitto) -> Iterator[Publisher]:
    """Publish MESSAGES numbered locations beside the body, and return when the broker has answered to all."""
    with Publisher(mosquitto.connection(DEVICES, "devices")) as publisher:

        def publish() -> None:
            pause = threading.Event()
            for number in range(MESSAGES):
                device_id = f"phone-{number % _PHONES}"
                payload = json.dumps(location_message(DeviceId=device_id, MessageId=number)).encode()
                publisher.publish(f"devices/{device_id}/location", payload)
                if number % 100 == 0:
                    pause.wait(100 / _RATE_PER_S)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield publisher
        finally:
            thread.join()
            publisher.finish()


@contextmanager
def bridges(pipeline: Pipeline, mosquitto: Mosquitto, folder: Path) -> Iterator[Callable[[], BridgeProcess]]:
    """Yield what starts one more bridge; the last one must end well."""
    env = {**pipeline.own_env, **mosquitto.settings(BRIDGE), "SMARTBANK_IOT_WEB_PORT": "0"}
    started: list[BridgeProcess] = []

    def start() -> BridgeProcess:
        started.append(BridgeProcess(env, folder / f"bridge-{len(started)}.log"))
        return started[-1]

    try:
        yield start
        assert started[-1].terminate() == 0
    finally:
        for bridge in started:
            bridge.kill()


def assert_all_arrive(pipeline: Pipeline, publisher: Publisher) -> None:
    """What was acknowledged to the publisher is in Kafka, in the end."""
    topic = pipeline.topics.location_data
    acknowledged = set(publisher.acknowledged)
    assert acknowledged, "nothing was published"

    def missing() -> set[int]:
        return acknowledged - {json.loads(record.value)["MessageId"] for record in pipeline.records(topic)}

    def has_as_many() -> bool:
        try:
            return pipeline.count(topic) >= len(acknowledged)
        except KafkaException:  # it was started a moment ago
            return False

    with suppress(TimeoutError):
        wait_until(has_as_many, _ARRIVAL_S, "as many records")
    with suppress(TimeoutError):  # repeats may have come before others
        wait_until(lambda: not missing(), _ARRIVAL_S, "all messages in Kafka")
    print(f"{len(acknowledged):,} acknowledged of {MESSAGES:,}, {pipeline.count(topic):,} records in Kafka")
    assert not missing()
    assert not pipeline.dead_letter_reasons()


def test_nothing_is_lost_by_a_bridge_that_is_killed_and_a_broker_that_is_restarted(
    mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path, moments: random.Random
) -> None:
    """Kill -9 twice, the broker's restart once, in any order, while messages stream in."""
    faults = ["kill", "kill", "restart"]
    moments.shuffle(faults)
    with bridges(pipeline, mosquitto, tmp_path) as start:
        running = start()
        running.wait_for("subscribed to")
        with publishing(mosquitto) as publisher:
            for fault in faults:
                let_it_run(moments.uniform(0.1, 0.3) * MESSAGES / _RATE_PER_S)
                if fault == "kill":
                    running.kill()
                    running = start()
                else:
                    mosquitto.stop()
                    mosquitto.start()
        assert_all_arrive(pipeline, publisher)


def test_nothing_is_lost_while_kafka_is_away(
    mosquitto: Mosquitto,
    own_kafka: LocalKafka,
    own_pipeline: Pipeline,
    tmp_path: Path,
    moments: random.Random,
) -> None:
    """Killed and started again under the stream: the MQTT broker keeps what is not acknowledged."""
    with bridges(own_pipeline, mosquitto, tmp_path) as start:
        start().wait_for("subscribed to")
        with publishing(mosquitto) as publisher:
            let_it_run(moments.uniform(0.1, 0.5) * MESSAGES / _RATE_PER_S)
            pid = own_kafka.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            let_it_run(moments.uniform(0, 1))
            own_kafka.start()
        assert_all_arrive(own_pipeline, publisher)
