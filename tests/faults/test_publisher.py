"""A publisher that is killed again and again counts everything once, as one that was left alone."""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from threading import Event as Flag

import mmh3
import msgspec
import pytest

from app.decoders import decoders_of
from app.sketch_book import book_of
from app.token_keys import token_keys_of
from app.topics import TopicSpec
from models.anonymized_transaction import AnonymizedTransaction
from sketches.desk import Desk, Message, Notebooks
from sketches.notebook import Notebook, Snapshot
from tests.decided import Line, decided, fixes
from tests.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.kafka

DEVICES = 100
K = 3
KILLS = 20 if os.environ.get("FAULT_ROUNDS") else 4
LINES_PER_S = 1500
_READ_TIMEOUT_S = 60.0
_TICK_S = 0.02


def test_every_count_equals_that_of_an_undisturbed_run(pipeline: Pipeline, moments: random.Random) -> None:
    """Kill -9 at any moment: while it restores its tables, reads, writes snapshots, publishes groups."""
    pipeline.configure(snapshot_interval_s=0.3, session_timeout_s=3, instance_id="publisher-1")
    pipeline.configure(publisher_web_port=0, anonymity_k=K, anonymity_delta=200, anonymity_limit_s=1)
    start_ms = time.time_ns() // 1_000_000 - 3_600_000
    _send(pipeline, fixes(pipeline.topics, devices=DEVICES, start_ms=start_ms))
    lines = decided(
        pipeline.topics, devices=DEVICES, start_ms=start_ms + 60_000, seed=moments.randrange(1000)
    )
    with _feeding(pipeline, lines):
        for _ in range(KILLS):
            worker = pipeline.worker("publisher")
            if moments.random() < 0.8:
                worker.wait_ready()
            time.sleep(moments.uniform(0, 1.5))
            worker.kill()
    pipeline.worker("publisher").wait_ready()
    wait_until(pipeline.is_published_to_the_end, _READ_TIMEOUT_S, "all lines published")
    assert _rows(pipeline) == _undisturbed(pipeline)
    _assert_published_once_and_among_enough_people(pipeline)


def _assert_published_once_and_among_enough_people(pipeline: Pipeline) -> None:
    """No transaction in two ways, none that is not final, and no group of fewer than K people."""
    settings, topics = pipeline.settings, pipeline.topics
    token_of = token_keys_of(settings).tokenizer("row")
    people = {}
    for each in pipeline.decisions():
        if each.stage == "final":
            used_ms = int(each.transaction_time.timestamp() * 1000)
            people[token_of(each.transaction_id, used_ms).encode()] = each.user_token
    rows: dict[bytes, bytes] = {}
    for record in pipeline.records(topics.anonymized_transactions):
        assert rows.setdefault(record.key, record.value) == record.value
    assert len(rows) > 0.9 * len(people)
    assert rows.keys() <= people.keys()
    groups: dict[bytes, set[str | None]] = {}
    for key, value in rows.items():
        row = msgspec.json.decode(value, type=AnonymizedTransaction)
        assert row.group_size >= K
        shape = (row.place, row.time_from, row.time_to, row.amount_from, row.amount_to)
        looks = msgspec.json.encode((*shape, row.merchant_category, row.device_type))
        groups.setdefault(looks, set()).add(people[key])
    assert min(map(len, groups.values())) >= K


def _rows(pipeline: Pipeline) -> dict[tuple[str, int, bytes], Snapshot]:
    """The rows that the changelogs end with, by table, partition and key."""
    decode = msgspec.msgpack.Decoder(Snapshot).decode
    last = {
        (topic.name, record.partition, record.key): record.value
        for topic in _sketched(pipeline)
        for record in pipeline.records(topic)
    }
    return {place: decode(row) for place, row in last.items() if row is not None}


def _sketched(pipeline: Pipeline) -> tuple[TopicSpec, ...]:
    """The changelogs of what is counted."""
    topics = pipeline.topics
    return topics.sketches_changelog, topics.views_changelog, topics.devices_changelog


def _undisturbed(pipeline: Pipeline) -> dict[tuple[str, int, bytes], Snapshot]:
    """What a desk makes of the very records of each partition, read once and in order."""
    topics, settings = pipeline.topics, pipeline.settings
    book = book_of(settings, token_keys_of(settings))
    keeps = _sketched(pipeline)
    rows: dict[tuple[str, int, bytes], Snapshot] = {}
    messages = {topic: _messages(pipeline, topic) for topic in topics.publisher.reads}
    for partition in range(settings.topic_partitions):
        notebooks = Notebooks(sketches=Notebook(), views=Notebook(), devices=Notebook())
        seed = mmh3.hash(f"{settings.publisher_id}/{partition}", signed=False)
        desk = Desk(notebooks, book.sketches, book.views, seed=seed, options=book.options, audits=book.audits)
        for topic, take in (
            (topics.location_data, desk.take_locations),
            (topics.transaction_decisions, desk.take_decisions),
            (topics.potential_fraud, desk.take_alerts),
        ):
            take(topic.name, messages[topic][partition])
        for topic, notebook in zip(
            keeps, (notebooks.sketches, notebooks.views, notebooks.devices), strict=True
        ):
            rows |= {(topic.name, partition, key): row for key, row in notebook.changes() if row is not None}
    return rows


def _messages(pipeline: Pipeline, topic: TopicSpec) -> list[list[Message]]:
    """The messages of a topic by partition."""
    decoder = decoders_of([topic])[topic.name]
    by_partition: list[list[Message]] = [[] for _ in range(pipeline.settings.topic_partitions)]
    for record in pipeline.records(topic):
        by_partition[record.partition].append(
            Message(record.offset, record.timestamp, decoder.decode(record.value))
        )
    return by_partition


def _send(pipeline: Pipeline, lines: Iterator[Line]) -> None:
    producer = pipeline.producer()
    for line in lines:
        producer.produce(line.topic, line.value, key=line.key.encode(), timestamp=line.time_ms)
        producer.poll(0)
    assert producer.flush(60) == 0


@contextmanager
def _feeding(pipeline: Pipeline, lines: Iterator[Line]) -> Iterator[None]:
    """Send lines while the body runs."""
    stop = Flag()

    def feed() -> None:
        while not stop.wait(_TICK_S):
            _send(pipeline, islice(lines, int(LINES_PER_S * _TICK_S)))

    with ThreadPoolExecutor(1) as threads:
        fed = threads.submit(feed)
        try:
            yield
        finally:
            stop.set()
        fed.result()
