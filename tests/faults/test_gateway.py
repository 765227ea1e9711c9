"""Kafka goes away under a gateway that phones push to: what they were told is true."""

import http.client
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.local_broker.local_kafka import LocalKafka
from tests.faults.conftest import ROUNDS
from tests.gateway import Gateway, entry, message, running_gateway
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka

TOKEN = "fleet-token-0123456789"
PHONES = 8


class Phone(threading.Thread):
    """Pushes one location after the other until told to stop; keeps the ids of those that were accepted."""

    def __init__(self, gateway: Gateway, number: int, stop: threading.Event) -> None:
        super().__init__()
        self.accepted: list[int] = []
        self.statuses: Counter[int] = Counter()
        self._gateway, self._number, self._stop_asked = gateway, number, stop

    def run(self) -> None:
        """Push."""
        connection = http.client.HTTPConnection(self._gateway.host, self._gateway.port, timeout=60)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for message_id in range(self._number, 10**9, PHONES):
            if self._stop_asked.is_set():
                break
            body = message(f"phone-{self._number}", entry(), message_id=message_id)
            try:
                connection.request("POST", "/location", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.statuses[0] += 1  # closed without an answer
                connection.close()
                time.sleep(0.01)
                continue
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.accepted.append(message_id)
            time.sleep(0.002 if answer.status == 200 else 0.02)
        connection.close()


@pytest.mark.usefixtures("seed")
def test_every_push_that_was_accepted_is_in_the_topic_though_kafka_is_killed(
    own_kafka: LocalKafka, tmp_path: Path, moments: random.Random
) -> None:
    """And the gateway is stopped in the middle of the load: pushes that have begun are answered."""
    address = own_kafka.start().address
    Pipeline.delete_all_topics(address)
    (tmp_path / "tokens").write_text(TOKEN)
    with Pipeline(address, tmp_path) as pipeline:
        pipeline.create_topics()
        with running_gateway(
            address, tmp_path / "tokens", TOKEN, intake_acknowledge_timeout_s="1"
        ) as gateway:
            gateway.wait_ready()
            stop = threading.Event()
            phones = [Phone(gateway, number, stop) for number in range(PHONES)]
            for phone in phones:
                phone.start()
            time.sleep(moments.uniform(0.3, 1))
            os.kill(own_kafka.start().pid, signal.SIGKILL)
            time.sleep(20 if ROUNDS else moments.uniform(1.5, 3))
            own_kafka.start()
            gateway.wait_ready()
            time.sleep(moments.uniform(0.3, 1))
            resident_bytes = gateway.resident_bytes
            assert gateway.stop() == 0
            stop.set()
            for phone in phones:
                phone.join()
        found = {
            msgspec.json.decode(r.value)["MessageId"] for r in pipeline.records(pipeline.topics.location_data)
        }
    statuses = sum((phone.statuses for phone in phones), Counter())
    accepted = {message_id for phone in phones for message_id in phone.accepted}
    assert set(statuses) <= {0, 200, 503}, statuses
    assert statuses[503], "Kafka was not away"
    assert all(phone.accepted for phone in phones)
    assert not accepted - found
    assert resident_bytes < 150_000_000
