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
_KILLED_SHARE = 0.7
_ARRIVAL_S = 90.0


@contextmanager
def publishing(mosquitto: Mosquitto) -> Iterator[Publisher]:
    """Publish MESSAGES numbered locations beside the body, and return when the broker has answered to all."""
    with Publisher(mosquitto.connection(DEVICES, "devices")) as publisher:

        def publish() -> None:
            for number in range(MESSAGES):
                device_id = f"phone-{number % _PHONES}"
                payload = json.dumps(location_message(DeviceId=device_id, MessageId=number)).encode()
                publisher.publish(f"devices/{device_id}/location", payload)

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
        started[-1].wait_for("subscribed to")
        assert started[-1].terminate() == 0
    finally:
        for bridge in started:
            bridge.kill()


def wait_for_share(pipeline: Pipeline, share: float) -> None:
    """Return when so many of all messages are in Kafka: then the bridge is in the midst of work."""
    wait_until(lambda: records_in(pipeline) >= share * MESSAGES, _ARRIVAL_S, f"{share:.0%} in Kafka")


def records_in(pipeline: Pipeline) -> int:
    """Records, repeats included; none while Kafka is away or has just been started."""
    try:
        return pipeline.count(pipeline.topics.location_data)
    except KafkaException:
        return 0


def assert_all_arrive(pipeline: Pipeline, publisher: Publisher) -> None:
    """What was acknowledged to the publisher is in Kafka, in the end."""
    acknowledged = set(publisher.acknowledged)
    assert acknowledged, "nothing was published"

    def missing() -> set[int]:
        records = pipeline.records(pipeline.topics.location_data)
        return acknowledged - {json.loads(record.value)["MessageId"] for record in records}

    with suppress(TimeoutError):  # the set below says what is missing
        wait_until(lambda: records_in(pipeline) >= len(acknowledged), _ARRIVAL_S, "as many records")
        wait_until(lambda: not missing(), _ARRIVAL_S, "what repeats stood in for")
    total = records_in(pipeline)
    print(f"{len(acknowledged):,} acknowledged of {MESSAGES:,}, {total:,} records in Kafka")
    assert not missing()
    assert not pipeline.dead_letter_reasons()


def test_nothing_is_lost_by_a_bridge_that_is_killed_and_a_broker_that_is_restarted(
    mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path, moments: random.Random
) -> None:
    """Kill -9 twice, the broker's restart once, in any order, while messages stream in.

    Half of them wait for the bridge, so that it has all in hand that it may when it is killed.
    """
    faults = ["kill", "kill", "restart"]
    moments.shuffle(faults)
    with bridges(pipeline, mosquitto, tmp_path) as start:
        subscribed = start()
        subscribed.wait_for("subscribed to")
        assert subscribed.terminate() == 0
        with publishing(mosquitto) as publisher:
            wait_until(lambda: len(publisher.acknowledged) >= MESSAGES / 2, _ARRIVAL_S, "half published")
            running = start()
            for share, fault in zip(sorted(moments.uniform(0.01, 0.6) for _ in faults), faults, strict=True):
                wait_for_share(pipeline, share)
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
    """Killed and started again under the stream; a bridge that is killed meanwhile loses nothing either."""
    with bridges(own_pipeline, mosquitto, tmp_path) as start:
        running = start()
        running.wait_for("subscribed to")
        with publishing(mosquitto) as publisher:
            wait_for_share(own_pipeline, moments.uniform(0.01, 0.4))
            pid = own_kafka.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            let_it_run(moments.uniform(0.2, 1))
            if moments.random() < _KILLED_SHARE:
                running.kill()
                start()
            own_kafka.start()
        assert_all_arrive(own_pipeline, publisher)
