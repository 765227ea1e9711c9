"""Where contestants meet: one broker for a benchmark, and what lies on it."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from app.connection import connection_of
from app.local_broker.config import BrokerConfig
from app.local_broker.local_kafka import LocalKafka
from app.settings import Settings
from app.topic_admin import create_topics
from app.topics import topics_of

PARTITIONS = 4

_ANSWER_TIMEOUT_S = 30.0
_WARNING = 4  # as syslog counts
_READ_TIMEOUT_S = 120.0
_READ_POLL_S = 0.1
_RETRY_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running broker and a folder for whatever a contestant leaves."""

    bootstrap: str
    folder: Path

    def create(self, *names: str, compacted: bool = False) -> None:
        """Create topics whose records never grow too old."""
        policy = {"cleanup.policy": "compact"} if compacted else {"retention.ms": "-1"}
        new = [NewTopic(name, PARTITIONS, 1, config=policy) for name in names]
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": _WARNING})
        for created in admin.create_topics(new).values():
            created.result(_ANSWER_TIMEOUT_S)

    def create_detector_topics(self, settings: Settings) -> None:
        """Create the topics of a detector that do not exist yet."""
        asyncio.run(
            create_topics(
                connection_of(settings),
                topics_of(settings).all,
                partitions=PARTITIONS,
                replication_factor=1,
                overrides={"retention.ms": "-1"},
            )
        )

    def ends(self, *names: str) -> list[TopicPartition]:
        """Every partition of those topics, at its end."""
        found = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
        with self.reader("ends") as reader:
            for tp in found:
                tp.offset = _end(reader, tp)
        return found

    def values_since(self, starts: Sequence[TopicPartition]) -> Iterator[bytes]:
        """Yield the values from `starts` to what are now the ends of those topics."""
        ends = {(tp.topic, tp.partition): tp.offset for tp in self.ends(*{tp.topic for tp in starts})}
        left = sum(ends.values()) - sum(tp.offset for tp in starts)
        with self.reader("values") as reader:
            reader.assign(list(starts))
            deadline_s = time.monotonic() + _READ_TIMEOUT_S
            while left > 0:
                messages = reader.consume(min(left, 1000), timeout=_READ_POLL_S)
                yield from (message.value() for message in messages)
                left -= len(messages)
                if time.monotonic() > deadline_s:
                    raise RuntimeError(f"{left} records are still unread after {_READ_TIMEOUT_S} s")

    @contextmanager
    def reader(self, group_id: str, **options: object) -> Iterator[Consumer]:
        """A librdkafka consumer that joins no group; closed at the end of the block."""
        given = {key.replace("_", "."): value for key, value in options.items()}
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group_id, **given})
        try:
            yield reader
        finally:
            reader.close()


def committed(reader: Consumer, inputs: Sequence[TopicPartition]) -> int:
    """How many records of `inputs` the reader's group has committed; 0 while its coordinator is unknown."""
    places = [TopicPartition(tp.topic, tp.partition) for tp in inputs]
    try:
        return sum(max(tp.offset, 0) for tp in reader.committed(places, timeout=_ANSWER_TIMEOUT_S))
    except KafkaException:
        return 0


def _end(reader: Consumer, tp: TopicPartition) -> int:
    """The end of a partition, once it has a leader."""
    deadline_s = time.monotonic() + _ANSWER_TIMEOUT_S
    while True:
        try:
            return int(reader.get_watermark_offsets(tp, timeout=_ANSWER_TIMEOUT_S)[1])
        except KafkaException:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_RETRY_PAUSE_S)


@contextmanager
def site() -> Iterator[Site]:
    """A fresh broker in a temporary folder, until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        broker = LocalKafka(Path(folder) / "kafka", BrokerConfig())
        address = broker.start().address
        try:
            yield Site(bootstrap=address, folder=Path(folder))
        finally:
            broker.stop()
