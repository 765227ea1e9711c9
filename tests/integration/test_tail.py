"""`tail` shows records as they are, and ends when it should."""

import asyncio
import base64
import json
import os
import select
import signal
import time
from datetime import UTC, datetime

import msgspec
import pytest
from confluent_kafka import Producer

from app.connection import connection_of
from app.settings import Settings
from app.tailing import read_topic
from app.topics import topics_of
from models.dead_letter import DeadLetter
from models.latest_location import LatestLocation
from tests.integration.commands import environment, produce, run, start

pytestmark = pytest.mark.kafka

TOPICS = topics_of(Settings())


@pytest.fixture
def topics_env(fresh_kafka: str) -> dict[str, str]:
    """The environment of a command on a broker with our topics."""
    env = environment(fresh_kafka)
    assert run(env, "topics", "create").returncode == 0
    return env


def test_values_come_as_json_text_or_base64_and_nothing_is_cut(
    topics_env: dict[str, str], fresh_kafka: str
) -> None:
    """One object a line; --limit ends it without waiting for more."""
    long = {"text": "x" * 50_000}
    values = [json.dumps(long).encode(), b"no json", b"\xff\x00", None]
    produce(
        fresh_kafka,
        [
            {"topic": "location_data", "partition": 1, "key": b"k", "value": v, "timestamp_ms": 7}
            for v in values
        ],
    )
    began_s = time.monotonic()
    tailed = run(topics_env, "tail", "location_data", "--from-beginning", "--limit", "4")
    assert time.monotonic() - began_s < 10
    assert tailed.returncode == 0, tailed.stderr
    rows = [json.loads(line) for line in tailed.stdout.splitlines()]
    base = {"topic": "location_data", "partition": 1, "timestamp": 7, "key": "k"}
    shown = [long, "no json", {"base64": base64.b64encode(b"\xff\x00").decode()}, None]
    assert rows == [{**base, "offset": n, "value": value} for n, value in enumerate(shown)]


def test_rows_of_a_changelog_are_decoded_and_a_tombstone_is_null(
    topics_env: dict[str, str], fresh_kafka: str
) -> None:
    """They lie there as msgpack arrays."""
    topic = TOPICS.latest_locations_changelog.name
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    row = msgspec.msgpack.encode(LatestLocation(moment, 1.5, -2.0, speed_mps=-1.0))
    produce(fresh_kafka, [{"topic": topic, "partition": 0, "key": b"d", "value": v} for v in (row, None)])
    tailed = run(topics_env, "tail", topic, "--from-beginning", "--limit", "2")
    values = [json.loads(line)["value"] for line in tailed.stdout.splitlines()]
    fix = {
        "event_time": "2026-01-01T00:00:00Z",
        "latitude_deg": 1.5,
        "longitude_deg": -2.0,
        "speed_mps": -1.0,
        "accuracy_m": None,
    }
    assert values == [fix, None]


def test_a_dead_letter_shows_its_headers_as_fields(topics_env: dict[str, str], fresh_kafka: str) -> None:
    """Where it came from and why, beside its own place."""
    letter = DeadLetter.of(
        reason_code="malformed",
        reason="not JSON",
        topic="location_data",
        partition=3,
        offset=17,
        timestamp_ms=9,
        key=b"k",
        value=b"{",
    )
    record = {"topic": "dead_letters", "key": letter.key, "value": letter.value, "headers": letter.headers}
    produce(fresh_kafka, [record])
    tailed = run(topics_env, "tail", "dead_letters", "--from-beginning", "--limit", "1")
    (row,) = [json.loads(line) for line in tailed.stdout.splitlines()]
    assert row["topic"] == "dead_letters"
    assert row["value"] == "{"
    assert (row["reason_code"], row["reason"]) == ("malformed", "not JSON")
    assert (row["source_topic"], row["source_partition"], row["source_offset"]) == ("location_data", 3, 17)


def test_an_unknown_topic_is_one_line_that_lists_the_known(topics_env: dict[str, str]) -> None:
    """It must neither hang nor create the topic."""
    tailed = run(topics_env, "tail", "no_such_topic")
    assert tailed.returncode == 1
    assert tailed.stderr.startswith("error: no topic 'no_such_topic' at ")
    assert "transaction_decisions" in tailed.stderr
    assert tailed.stderr.count("\n") == 1
    assert "no_such_topic" not in run(topics_env, "tail", "another").stderr.replace("another", "")


def test_it_follows_and_ends_cleanly_on_ctrl_c(topics_env: dict[str, str], fresh_kafka: str) -> None:
    """Only what comes after its start; nothing on stderr, status 0."""
    old = {"topic": "location_data", "partition": 0, "value": b'"old"'}
    produce(fresh_kafka, [old])
    tailing = start(topics_env, "tail", "location_data")
    try:
        line = b""
        while not line:  # it says nothing when it is ready: go on until one record reaches it
            produce(fresh_kafka, [{**old, "value": b'"new"'}])
            assert tailing.stdout is not None
            line = _line_within(tailing.stdout.fileno(), 1.0)
        assert json.loads(line.splitlines()[0])["value"] == "new"
        tailing.send_signal(signal.SIGINT)
        _, errors = tailing.communicate(timeout=15)
    finally:
        tailing.kill()
    assert tailing.returncode == 0
    assert errors == b""


def test_it_ends_with_the_reader_of_its_pipe(topics_env: dict[str, str], fresh_kafka: str) -> None:
    """`| head -1`, also when no record comes any more; status 0 and nothing on stderr."""
    produce(fresh_kafka, [{"topic": "location_data", "value": b"{}"}])
    tailing = start(topics_env, "tail", "location_data", "--from-beginning")
    try:
        assert tailing.stdout is not None
        assert tailing.stdout.readline()
        tailing.stdout.close()
        assert tailing.wait(timeout=15) == 0
        assert tailing.stderr is not None
        assert tailing.stderr.read() == b""
    finally:
        tailing.kill()


def test_since_starts_at_a_time(topics_env: dict[str, str], fresh_kafka: str) -> None:
    """By record timestamp; a partition without such a record gives none."""
    hour_ago_ms = int(time.time() * 1000) - 3_600_000
    base = {"topic": "location_data", "partition": 0}
    records = [{**base, "value": b"1", "timestamp_ms": hour_ago_ms}, {**base, "value": b"2"}]
    produce(fresh_kafka, records)
    tailed = run(topics_env, "tail", "location_data", "--since", "15m", "--limit", "1")
    assert [json.loads(line)["value"] for line in tailed.stdout.splitlines()] == [2]
    assert run(topics_env, "tail", "location_data", "--since", "soon").returncode == 1


def test_reading_until_the_end_gives_every_record_once_and_stops(
    topics_env: dict[str, str], fresh_kafka: str
) -> None:
    """Over all partitions, in order within each; what comes later is not waited for."""
    del topics_env
    records = [{"topic": "location_data", "partition": n % 4, "value": str(n).encode()} for n in range(2000)]
    places = produce(fresh_kafka, records)
    connection = connection_of(Settings(kafka_bootstrap=fresh_kafka))

    async def read() -> list[tuple[str, int, int]]:
        stream = read_topic(connection, "location_data", from_beginning=True, until_end=True)
        return [(r.topic, r.partition, r.offset) async for r in stream]

    read_places = asyncio.run(read())
    assert sorted(read_places) == sorted(places)
    for partition in range(4):
        offsets = [offset for _, p, offset in read_places if p == partition]
        assert offsets == sorted(offsets)


def test_reading_until_the_end_stops_behind_the_marker_of_a_transaction(
    topics_env: dict[str, str], fresh_kafka: str
) -> None:
    """The last offset of the partition is one that no reader is ever given."""
    del topics_env
    producer = Producer({"bootstrap.servers": fresh_kafka, "transactional.id": "t"})
    producer.init_transactions(30)
    for _ in range(3):
        producer.begin_transaction()
        producer.produce("location_data", b"{}", partition=0)
        producer.commit_transaction(30)
    connection = connection_of(Settings(kafka_bootstrap=fresh_kafka))

    async def read() -> list[int]:
        stream = read_topic(connection, "location_data", from_beginning=True, until_end=True)
        return [r.offset async for r in stream]

    assert asyncio.run(asyncio.wait_for(read(), 20)) == [0, 2, 4]


def _line_within(descriptor: int, timeout_s: float) -> bytes:
    readable, _, _ = select.select([descriptor], [], [], timeout_s)
    return os.read(descriptor, 65536) if readable else b""
