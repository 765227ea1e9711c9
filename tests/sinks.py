"""Sinks under test: rows on their topic, `worker sink mongodb`, and what MongoDB holds afterwards."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from tests.integration.commands import environment, run
from tests.pipeline import Pipeline, Worker
from tests.services.mongodb import MongoServer

GROUP = "bank-sink-mongodb"


class SinkPipeline:
    """A pipeline whose topic anonymized_transactions goes to a MongoDB with its schema."""

    def __init__(self, pipeline: Pipeline, mongodb: MongoServer) -> None:
        self.pipeline, self.mongodb = pipeline, mongodb
        self.topic = pipeline.topics.anonymized_transactions
        pipeline.configure(
            mongodb_uri=mongodb.uri(),
            sink_batch_max_rows=100,
            sink_buffer_max_rows=300,
            sink_retry_max_s=0.5,
            sink_breaker_open_s=0.5,
            sink_write_timeout_s=2.0,
            settle_timeout_s=1.0,
            web_port=0,
        )
        assert self.command("stores", "migrate", "mongodb").returncode == 0

    def command(self, *arguments: str) -> Any:
        """Run `python -m app …` with the pipeline's settings."""
        settings = {k.removeprefix("SMARTBANK_").lower(): v for k, v in self.pipeline.own_env.items()}
        bootstrap = settings.pop("kafka_bootstrap")
        return run(environment(bootstrap, **settings), *arguments)

    def worker(self) -> Worker:
        """Start a `worker sink mongodb`."""
        return self.pipeline.worker("sink mongodb")

    def produce(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Send keys and values to the topic, with an independent client."""
        producer = self.pipeline.producer()
        for key, value in records:
            producer.produce(self.topic.name, value, key=key)
            producer.poll(0)
        assert producer.flush(60) == 0

    def is_delivered(self) -> bool:
        """Whether everything on the topic is committed."""
        consumer = Consumer({"bootstrap.servers": self.pipeline.bootstrap, "group.id": GROUP})
        try:
            ends = self.pipeline.end_offsets(self.topic)
            committed = consumer.committed([TopicPartition(self.topic.name, p) for p in ends], timeout=30)
            return all(tp.offset == ends[tp.partition] or not ends[tp.partition] for tp in committed)
        finally:
            consumer.close()

    def stored(self) -> int:
        """How many rows are in the store. Cheap."""
        with self.mongodb.client() as client:
            return int(client.bank.transactions.estimated_document_count())

    def tokens(self) -> Counter[str]:
        """How often each row is there."""
        with self.mongodb.client() as client:
            return Counter(str(each["_id"]) for each in client.bank.transactions.find({}, {"_id": 1}))
