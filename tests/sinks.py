"""Sinks under test: rows on their topic, stores with their schema, a worker of each."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from app.sink import group_of
from tests.contract.stores import Store
from tests.integration.commands import environment, run
from tests.pipeline import Pipeline, Worker

_COMMAND_TIMEOUT_S = 180.0  # where a machine is busy, with servers besides


class SinkPipeline:
    """A pipeline whose topic anonymized_transactions goes to stores, which have their schema."""

    def __init__(self, pipeline: Pipeline, *stores: Store, write_timeout_s: float = 2.0) -> None:
        self.pipeline, self.stores = pipeline, stores
        self.topic = pipeline.topics.anonymized_transactions
        pipeline.configure(
            sink_batch_max_rows=100,
            sink_buffer_max_rows=300,
            sink_retry_max_s=0.5,
            sink_breaker_open_s=0.5,
            sink_write_timeout_s=write_timeout_s,
            settle_timeout_s=1.0,
            web_port=0,
        )
        for store in stores:
            pipeline.configure(**store.settings())
        with ThreadPoolExecutor() as at_once:
            migrated = at_once.map(lambda store: self.command("stores", "migrate", store.name), stores)
            for each in migrated:
                assert each.returncode == 0, each.stderr

    def command(self, *arguments: str) -> Any:
        """Run `python -m app …` with the pipeline's settings."""
        settings = {k.removeprefix("SMARTBANK_").lower(): v for k, v in self.pipeline.own_env.items()}
        bootstrap = settings.pop("kafka_bootstrap")
        return run(environment(bootstrap, **settings), *arguments, timeout_s=_COMMAND_TIMEOUT_S)

    def worker(self, store: str = "mongodb") -> Worker:
        """Start a `worker sink STORE`."""
        return self.pipeline.worker(f"sink {store}")

    def produce(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Send keys and values to the topic, with an independent client."""
        producer = self.pipeline.producer()
        for key, value in records:
            producer.produce(self.topic.name, value, key=key)
            producer.poll(0)
        assert producer.flush(60) == 0

    def is_delivered(self) -> bool:
        """Whether every store's group has committed everything on the topic."""
        return all(self._is_committed(group_of(store.name)) for store in self.stores)

    def _is_committed(self, group_id: str) -> bool:
        consumer = Consumer({"bootstrap.servers": self.pipeline.bootstrap, "group.id": group_id})
        try:
            ends = self.pipeline.end_offsets(self.topic)
            committed = consumer.committed([TopicPartition(self.topic.name, p) for p in ends], timeout=30)
            return all(tp.offset == ends[tp.partition] or not ends[tp.partition] for tp in committed)
        finally:
            consumer.close()
