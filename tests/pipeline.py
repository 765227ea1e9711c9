"""A detector under test: real topics, real worker processes, and what they left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from app.books.accounting import Report
from app.books.reading import reconcile
from app.connection import connection_of
from app.decoders import input_decoders
from app.settings import PROJECT_DIR, Settings
from app.tailing import read_topic
from app.topic_admin import create_topics
from app.topics import TopicSpec, topics_of
from models.decision import Decision
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from sources.event_file import Event
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from streaming.errors import RecordError

READY_TIMEOUT_S = 60.0
_POLL_S = 0.05
_STOP_TIMEOUT_S = 10.0
_LOOK_TIMEOUT_S = 30.0
_DESCRIBE_TIMEOUT_S = 5.0

# Quick enough for tests, long enough that a busy machine does not look dead.
_TEST_SETTINGS = {
    "SMARTBANK_SESSION_TIMEOUT_S": "6",
    "SMARTBANK_HEARTBEAT_INTERVAL_S": "0.5",
    "SMARTBANK_LOG_LEVEL": "info",
    "SMARTBANK_FORWARD_WAIT_S": "0",  # nothing is misplaced
    "SMARTBANK_ANONYMITY_LIMIT_S": "1",  # what finds no company is not waited for
    "SMARTBANK_PROFILE": "paper",  # every verdict at once, and it shows which location was the latest
}


def wait_until(happened: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Return when `happened()` is true. Raises TimeoutError that says `what` did not come."""
    deadline_s = time.monotonic() + timeout_s
    while not happened():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(_POLL_S)


class Worker:
    """A `worker APP` in a process of its own: detector, publisher, sink NAME."""

    def __init__(self, env: Mapping[str, str], log_path: Path, app: str = "detector") -> None:
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "worker", *app.split()],
                env=env,
                cwd=PROJECT_DIR,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def times_ready(self) -> int:
        """How often it has had partitions and restored tables."""
        return self.log.count("Worker ready")

    def wait_ready(self, times: int = 1, timeout_s: float = READY_TIMEOUT_S) -> Self:
        """Return when it is ready for the `times`-th time."""

        def ready() -> bool:
            assert self.process.poll() is None, f"the worker ended:\n{self.log[-4000:]}"
            return self.times_ready() >= times

        wait_until(ready, timeout_s, f"worker {self.log_path.name} ready")
        return self

    def kill(self) -> None:
        """Send it kill -9."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP: for the broker it is dead after a while, for itself no time passes."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def terminate(self, timeout_s: float = 30.0) -> int:
        """SIGTERM; return its exit status. Raises where it does not end."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)


class Pipeline:
    """Topics, producers and workers of one test; a context manager that kills what still runs."""

    def __init__(self, bootstrap: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        key_file = folder / "token.key"
        if not key_file.exists():
            key_file.write_text("test:" + "5a" * 32)
        self.own_env = {
            **_TEST_SETTINGS,
            "SMARTBANK_KAFKA_BOOTSTRAP": bootstrap,
            "SMARTBANK_TOKEN_KEY_FILE": str(key_file),
            "SMARTBANK_STATE_DIR": str(folder / "state"),
            **(env or {}),
        }
        self.settings = Settings.from_env(self.own_env)
        self.connection = connection_of(self.settings)
        self.topics = topics_of(self.settings)
        self.bootstrap = bootstrap
        self.state_dir = folder / "state"
        self._folder = folder
        self._workers: list[Worker] = []
        self._producers: dict[str, Producer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        running = [worker for worker in self._workers if worker.process.poll() is None]
        for worker in running:
            worker.thaw()
            worker.process.send_signal(signal.SIGTERM)  # so that it leaves its group
        for worker in running:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(_STOP_TIMEOUT_S)
            worker.kill()
        self._looker.close()
        self._publisher_looker.close()
        # librdkafka's clients must go before their broker: one that is freed later may wait for it for ever.
        self._producers.clear()
        for client in ("_looker", "_publisher_looker", "_admin"):
            self.__dict__.pop(client, None)

    @cached_property
    def _client_options(self) -> dict[str, Any]:
        """How librdkafka, an independent client, connects."""
        settings, connection = self.settings, self.connection
        options: dict[str, Any] = {"bootstrap.servers": connection.bootstrap, "log_level": 2}
        if settings.kafka_security != "plaintext":
            options |= {
                "security.protocol": settings.kafka_security,
                "ssl.ca.location": settings.kafka_ca_file,
            }
        if settings.kafka_security == "sasl_ssl":
            options |= {
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": connection.username,
                "sasl.password": connection.password,
            }
        elif settings.kafka_security == "ssl":
            options |= {
                "ssl.certificate.location": settings.kafka_cert_file,
                "ssl.key.location": settings.kafka_key_file,
            }
        return options

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self._client_options)

    @cached_property
    def _looker(self) -> Consumer:
        """Looks at the detector's group and at topics; joins and reads nothing."""
        return Consumer({**self._client_options, "group.id": self.settings.app_id})

    @cached_property
    def _publisher_looker(self) -> Consumer:
        return Consumer({**self._client_options, "group.id": self.settings.publisher_id})

    # -- doing ----------------------------------------------------------------------------------------

    @staticmethod
    def delete_all_topics(bootstrap: str, security: Mapping[str, Any] | None = None) -> None:
        """Delete consumer groups and every topic but the broker's own.

        `security` are more options for librdkafka.
        """
        admin = AdminClient({"bootstrap.servers": bootstrap, **(security or {})})
        groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
        # A group can be deleted, and takes commits from outside, when killed members' sessions are over.
        wait_until(lambda: _deleted(admin, groups), 30, "consumer groups deleted")
        names = [name for name in admin.list_topics(timeout=30).topics if not name.startswith("__")]
        if names:
            for deleted in admin.delete_topics(names, operation_timeout=30).values():
                deleted.result()
            wait_until(
                lambda: set(names).isdisjoint(admin.list_topics(timeout=30).topics), 30, "topics deleted"
            )

    def create_topics(self, **overrides: str) -> None:
        """Create all topics; records of any age stay."""
        asyncio.run(
            create_topics(
                self.connection,
                self.topics.all,
                partitions=self.settings.topic_partitions,
                replication_factor=1,
                overrides={"retention.ms": "-1", **overrides},
            )
        )

    def alter_topic(self, name: str, settings: Mapping[str, str]) -> None:
        """Change settings of a topic."""
        entries = [
            ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
            for setting, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        for altered in self._admin.incremental_alter_configs([resource]).values():
            altered.result()

    def configure(self, **settings: object) -> None:
        """Change settings, by their names in Settings, of the workers that are started from now on."""
        self.own_env |= {f"SMARTBANK_{name.upper()}": str(value) for name, value in settings.items()}

    def worker(self, app: str = "detector", *, env: Mapping[str, str] | None = None) -> Worker:
        """Start a worker; `wait_ready` tells when it has its partitions."""
        full_env = {**os.environ, **self.own_env, **(env or {})}
        worker = Worker(full_env, self._folder / f"worker-{len(self._workers) + 1}.log", app)
        self._workers.append(worker)
        return worker

    def produce(self, events: Iterable[Event], *, partitioner: str = "murmur2_random") -> None:
        """Send events with librdkafka, an independent client; record timestamp = arrival_ms."""
        producer = self.producer(partitioner)
        for event in events:
            producer.produce(event.topic, event.value_bytes, key=event.key_bytes, timestamp=event.arrival_ms)
            producer.poll(0)
        producer.flush()

    def produce_in_step(self, events: Iterable[Event], timeout_s: float = 10.0) -> None:
        """Send each event when the last has had its effect: a row, a decision or a dead letter."""
        effects = [
            topic.name
            for topic in (
                self.topics.latest_locations_changelog,
                self.topics.transaction_decisions,
                self.topics.dead_letters,
            )
        ]
        consumer = Consumer({**self._client_options, "group.id": "in-step", "fetch.wait.max.ms": 5})
        consumer.assign(
            [TopicPartition(t, p, 0) for t in effects for p in range(self.settings.topic_partitions)]
        )
        for event in events:
            self.produce([event])
            message = consumer.poll(timeout_s)
            assert message is not None, f"no effect of {event}"
            assert not message.error()
        consumer.close()

    def producer(self, partitioner: str = "murmur2_random") -> Producer:
        """The librdkafka producer that waits for all replicas and keeps the order of what it is given."""
        if partitioner not in self._producers:
            self._producers[partitioner] = Producer(
                {
                    **self._client_options,
                    "partitioner": partitioner,
                    "linger.ms": 5,
                    "message.max.bytes": 1_048_588,
                    "enable.idempotence": True,  # a batch that is sent again must not overtake the next
                    "queue.buffering.max.messages": 1_000_000,
                }
            )
        return self._producers[partitioner]

    # -- looking --------------------------------------------------------------------------------------

    def reconcile(self) -> Report:
        """The books."""
        return asyncio.run(reconcile(self.connection, self.topics, group_id=self.settings.app_id))

    def wait_complete(self, timeout_s: float = 60.0) -> Report:
        """Return the books once they are complete; fail with them where they never are."""
        deadline_s = time.monotonic() + timeout_s
        with suppress(TimeoutError):  # the books say what is missing
            wait_until(self.is_read_to_the_end, timeout_s, "inputs read")
        while not (report := self.reconcile()).balances(complete=True):
            assert time.monotonic() < deadline_s, f"books do not balance: {report}"
        return report

    def is_read_to_the_end(self) -> bool:
        """Whether all that lies in the inputs is committed; False while the broker is away. Cheap."""
        return self._is_read(self._looker, self.topics.detector_inputs)

    def is_published_to_the_end(self) -> bool:
        """The same of the publisher."""
        return self._is_read(self._publisher_looker, self.topics.publisher.reads)

    def _is_read(self, looker: Consumer, topics: Iterable[TopicSpec]) -> bool:
        tps = [tp for topic in topics for tp in self._partitions_of(topic)]
        try:
            committed = looker.committed(tps, timeout=_LOOK_TIMEOUT_S)
            return all(tp.offset >= self._end_offset(tp) or not self._end_offset(tp) for tp in committed)
        except KafkaException:
            return False

    def count(self, topic: TopicSpec) -> int:
        """How many records were ever written to a topic. Cheap enough to wait for a moment with it."""
        return sum(self.end_offsets(topic).values())

    def end_offsets(self, topic: TopicSpec) -> dict[int, int]:
        """The offset of the next record of each partition."""
        return {tp.partition: self._end_offset(tp) for tp in self._partitions_of(topic)}

    def members(self) -> int:
        """How many workers share the partitions; 0 while they are being shared out."""
        app_id = self.settings.app_id
        described = self._admin.describe_consumer_groups([app_id], request_timeout=_DESCRIBE_TIMEOUT_S)
        try:
            group = described[app_id].result()
        except KafkaException:  # the first group of a broker takes it a while
            return 0
        return len(group.members) if group.state == ConsumerGroupState.STABLE else 0

    def _partitions_of(self, topic: TopicSpec) -> list[TopicPartition]:
        return [TopicPartition(topic.name, p) for p in range(self.settings.topic_partitions)]

    def _end_offset(self, tp: TopicPartition) -> int:
        deadline_s = time.monotonic() + _LOOK_TIMEOUT_S
        while True:
            try:
                return int(self._looker.get_watermark_offsets(tp, timeout=_LOOK_TIMEOUT_S)[1])
            except KafkaException as e:
                # A topic of this name was there before: librdkafka does not know the new leader yet.
                is_stale = e.args[0].code() == KafkaError.NOT_LEADER_FOR_PARTITION
                if not is_stale or time.monotonic() > deadline_s:
                    raise
            time.sleep(_POLL_S)

    def records(self, topic: TopicSpec) -> list[Any]:
        """All records of a topic, in the order of offsets within a partition."""

        async def read() -> list[Any]:
            return [
                r async for r in read_topic(self.connection, topic.name, from_beginning=True, until_end=True)
            ]

        return asyncio.run(read())

    def decisions(self) -> list[Decision]:
        """All decisions."""
        return [
            msgspec.json.decode(r.value, type=Decision)
            for r in self.records(self.topics.transaction_decisions)
        ]

    def changelog_table(self) -> dict[bytes, LatestLocation]:
        """The rows that the changelog of the latest locations ends with."""
        rows = {r.key: r.value for r in self.records(self.topics.latest_locations_changelog)}
        return {
            key: msgspec.msgpack.decode(v, type=LatestLocation) for key, v in rows.items() if v is not None
        }

    def true_table(self) -> dict[bytes, LatestLocation]:
        """What the table must hold: each device's last good fix by the order of its partition."""
        decoder = input_decoders(self.topics)[self.topics.location_data.name]
        table: dict[bytes, LatestLocation] = {}
        for record in self.records(self.topics.location_data):
            try:
                fix: LocationFix = decoder.decode(record.value)
            except RecordError:
                continue
            table[fix.key] = fix.latest
        return table

    def dead_letter_reasons(self) -> Counter[str]:
        """How many dead letters there are, by reason code."""
        return Counter(
            dict(r.headers)["reason_code"].decode() for r in self.records(self.topics.dead_letters)
        )


def simulated_events(*, seed: int, devices: int = 5, duration_s: float = 600.0) -> list[Event]:
    """A seeded stream of phones and purchases that began a day ago."""
    scenario = Scenario(
        seed=seed,
        start_time_ms=int(time.time() * 1000) - 86_400_000,
        duration_s=duration_s,
        customers=devices,
        transactions_per_s=1.0,
        fraud_share=0.2,
    )
    simulated = simulate(scenario, location_topic="location_data", transaction_topic="transaction_data")
    return [each.event for each in simulated]


def _deleted(admin: AdminClient, groups: list[str]) -> bool:
    """Whether the groups are gone; asks for it once more."""
    outcomes = admin.delete_consumer_groups(groups).values() if groups else ()
    errors = [outcome.exception() for outcome in outcomes]
    return all(e is None or e.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND for e in errors)


def location(
    device_id: str, arrival_ms: int, *, lat: float = 37.33, lon: float = -121.89, **more: Any
) -> Event:
    """A fix of a phone in San Jose, taken when it arrives."""
    value = {
        "DeviceId": device_id,
        "Time": _iso(arrival_ms),
        "Latitude": lat,
        "Longitude": lon,
        "Speed": 1.0,
        **more,
    }
    return Event(topic="location_data", key=device_id, arrival_ms=arrival_ms, value=json.dumps(value))


def purchase(
    transaction_id: str,
    device_id: str,
    arrival_ms: int,
    *,
    lat: float = 37.33,
    lon: float = -121.89,
    **more: Any,
) -> Event:
    """A purchase at the time of its arrival."""
    value = {
        "Transaction ID": transaction_id,
        "Device ID": device_id,
        "Timestamp": _iso(arrival_ms),
        "Amount": 12.5,
        "Card Number": "4000001234567899",
        "User ID": "U1",
        "Name": "Somebody Real",
        "Location Latitude": f"{lat:.6f}",
        "Location Longitude": f"{lon:.6f}",
        **more,
    }
    return Event(topic="transaction_data", key=device_id, arrival_ms=arrival_ms, value=json.dumps(value))


def _iso(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ms // 1000)) + f".{time_ms % 1000:03d}Z"
