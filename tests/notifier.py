"""`python -m app notify` under test: a process on a real Kafka, and what it committed."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.settings import PROJECT_DIR
from models.flagged_transaction import FlaggedTransaction
from tests.integration.commands import environment
from tests.notifications import SECRET
from tests.pipeline import Pipeline

_LOOK_TIMEOUT_S = 30.0


class Notifier:
    """A process; its settings are those of a pipeline, and quick."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._log = folder / f"notifier-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "notify"], env=env, cwd=PROJECT_DIR, stdout=log, stderr=log
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def kill(self) -> None:
        """Send it kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def notifier(pipeline_env: Mapping[str, str], folder: Path, **settings: object) -> Iterator[Notifier]:
    """A notifier with a secret, that is killed at the end of the test; `settings` without notify_."""
    (folder / "secret").write_text(SECRET)
    quick = {
        "secret_file": folder / "secret",
        "retry_min_s": 0.01,
        "retry_max_s": 0.05,
        "timeout_s": 0.3,
        "per_minute": 1000,
        "web_port": 0,
    }
    ours = {f"SMARTBANK_NOTIFY_{name.upper()}": str(value) for name, value in (quick | settings).items()}
    running = Notifier({**environment(""), **pipeline_env, **ours}, folder)
    try:
        yield running
    finally:
        running.kill()


def flag(pipeline: Pipeline, alerts: Iterable[FlaggedTransaction]) -> None:
    """Write alerts to their topic, with an independent client."""
    producer = pipeline.producer()
    for number, alert in enumerate(alerts):
        value = msgspec.json.encode(alert)
        producer.produce(pipeline.topics.potential_fraud.name, value, key=f"phone-{number}".encode())
    assert producer.flush(60) == 0


def committed(pipeline: Pipeline, group_id: str = "bank-notifier") -> int:
    """How many records of the flagged topic the group has behind it; 0 before its first commit."""
    consumer = Consumer({"bootstrap.servers": pipeline.bootstrap, "group.id": group_id})
    try:
        ends = pipeline.end_offsets(pipeline.topics.potential_fraud)
        tps = [TopicPartition(pipeline.topics.potential_fraud.name, p) for p in ends]
        return sum(max(tp.offset, 0) for tp in consumer.committed(tps, timeout=_LOOK_TIMEOUT_S))
    except KafkaException:  # the first group of a broker takes it a while
        return 0
    finally:
        consumer.close()


def told(requests: Iterable[Any]) -> list[str]:
    """Ids of the events that these requests told, those in digests too."""
    return [each for request in requests for each in request.json["data"].get("notices", [request.id])]
