"""`produce` and `simulate` against the real broker."""

import asyncio
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from app.history import prepare_topics
from app.local_broker.local_kafka import LocalKafka
from app.producing import ProducedCounts, produce_events
from app.settings import PROJECT_DIR
from app.topic_admin import create_topics
from sources.event_file import Event, write_events
from sources.labels import read_labels
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
from streaming.errors import ConfigError, OutputLostError, RetryableError
from tests.files import transaction_row, write_csv
from tests.messages import read_location, read_transaction
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka

DAY_MS = 86_400_000
LOCATION, TRANSACTION = "location_data", "transaction_data"


@pytest.fixture
def empty(fresh_kafka: str, tmp_path: Path) -> Iterator[Pipeline]:
    """A broker without any of our topics."""
    with Pipeline(fresh_kafka, tmp_path) as pipeline:
        yield pipeline


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


def simulated(start_time_ms: int, *, seed: int = 3) -> list[Event]:
    """Ten minutes of a small city, malformed values and repeats among them."""
    scenario = Scenario(
        seed=seed,
        start_time_ms=start_time_ms,
        duration_s=600,
        customers=20,
        transactions_per_s=2,
        malformed_share=0.05,
        duplicate_share=0.05,
    )
    return [each.event for each in simulate(scenario, location_topic=LOCATION, transaction_topic=TRANSACTION)]


def produced(pipeline: Pipeline, events: list[Event], speed: float | None = None) -> ProducedCounts:
    """Send events."""
    return asyncio.run(produce_events(pipeline.connection, events, speed=speed))


def run_app(pipeline: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of our commands."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=pipeline.own_env,
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def config_of(pipeline: Pipeline, topic: str, name: str) -> str:
    """A topic's setting, asked with an independent client."""
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": pipeline.bootstrap})  # its answers come only while it lives
    (future,) = admin.describe_configs([resource]).values()
    return str(future.result()[name].value)


def test_every_record_is_there_as_it_was_and_in_its_order(pipeline: Pipeline) -> None:
    """Bytes, key and time of arrival; the order within a topic and key. Malformed values and odd keys too."""
    events = simulated(now_ms() - 700_000)
    odd = [
        ("k", "\ud800"),
        (None, "no key"),
        ("\udcff", "\udcfe"),
        ("k", ""),
        ("", "\0"),
        ("k", "x" * 600_000),
    ]
    events += [Event(TRANSACTION, key, now_ms(), value) for key, value in odd]
    counts = produced(pipeline, events)
    assert counts.by_topic == Counter(event.topic for event in events)
    for topic in (pipeline.topics.location_data, pipeline.topics.transaction_data):
        sent, received = defaultdict(list), defaultdict(list)
        for event in events:
            if event.topic == topic.name:
                sent[event.key_bytes].append((event.value_bytes, event.arrival_ms))
        for record in pipeline.records(topic):
            received[record.key].append((record.value, record.timestamp))
        assert received == sent


def test_keys_go_where_other_clients_send_them(pipeline: Pipeline) -> None:
    """As librdkafka's murmur2_random and Java's default choose: a device's records of all producers meet."""
    events = [Event(LOCATION, f"device-{number}-é", now_ms(), "{}") for number in range(300)]
    produced(pipeline, events)
    ours = {record.key: record.partition for record in pipeline.records(pipeline.topics.location_data)}
    pipeline.produce(events)
    theirs = {
        record.key: record.partition for record in pipeline.records(pipeline.topics.location_data)[::-1]
    }
    assert len(ours) == 300
    assert ours == theirs
    assert len(set(ours.values())) == 4


def test_speed_is_that_of_the_arrivals(pipeline: Pipeline) -> None:
    """2: twice as fast. Never faster than asked for; on a busy machine slower."""
    start_ms = now_ms() - 10_000
    events = [Event(LOCATION, "k", start_ms + 40 * number, "{}") for number in range(51)]
    counts = produced(pipeline, events, speed=2.0)
    assert counts.total == 51
    assert counts.elapsed_s >= 1.0


def test_a_record_that_the_broker_refuses_is_named_by_its_lines(pipeline: Pipeline) -> None:
    """An hour and a half ahead, as Kafka 4 does not take it."""
    events = [Event(LOCATION, "k", now_ms(), "{}"), Event(LOCATION, "k", now_ms() + 5_400_000, "{}")]
    with pytest.raises(OutputLostError, match=r"location_data\[\d\] refuses records 1 to 2 .*hour"):
        produced(pipeline, events)


def test_a_record_that_is_too_large_is_named_by_its_line(pipeline: Pipeline) -> None:
    """The broker takes a mebibyte."""
    large = Event(TRANSACTION, "k", now_ms(), "x" * 2_000_000)
    with pytest.raises(OutputLostError, match=r"transaction_data\[\d\] refuses records 2 to 2"):
        produced(pipeline, [Event(TRANSACTION, "k", now_ms(), "{}"), large])


def test_a_missing_topic_is_an_error_and_is_not_made(empty: Pipeline) -> None:
    """Only `topics create` and `produce` of a file make topics, with the right partitions."""
    with pytest.raises(ConfigError, match="there is no topic location_data: run"):
        produced(empty, [Event(LOCATION, "k", now_ms(), "{}")])
    assert LOCATION not in AdminClient({"bootstrap.servers": empty.bootstrap}).list_topics(timeout=10).topics


def test_a_broker_that_is_away_is_an_error(tmp_path: Path) -> None:
    """Not a hang."""
    nobody = Pipeline("127.0.0.1:1", tmp_path)
    with pytest.raises(RetryableError, match=r"no Kafka at 127\.0\.0\.1:1"):
        produced(nobody, [Event(LOCATION, "k", now_ms(), "{}")])


def test_a_broker_that_dies_meanwhile_is_an_error(own_kafka: LocalKafka, tmp_path: Path) -> None:
    """After the time that a client waits for it; nothing hangs at the end."""
    bootstrap = own_kafka.start().address
    pipeline = Pipeline(bootstrap, tmp_path)
    pipeline.create_topics()

    def events() -> Iterator[Event]:
        for number in range(10**9):
            if number == 20_000:
                own_kafka.stop()
            yield Event(LOCATION, str(number % 100), now_ms(), "x" * 200)

    with pytest.raises(RetryableError):
        asyncio.run(asyncio.wait_for(produce_events(pipeline.connection, events()), 110))


def test_old_records_stay_in_topics_made_for_them(empty: Pipeline, tmp_path: Path) -> None:
    """Kafka would delete a file of 2023 within minutes from a topic that keeps seven days."""
    path = tmp_path / "old.jsonl.gz"
    events = simulated(1_700_000_000_000)
    write_events(path, events)
    done = run_app(empty, "produce", "--input", str(path))
    assert done.returncode == 0, done.stderr
    told, sent = done.stdout.splitlines()
    assert told.startswith(
        "created with retention.ms=-1, outputs too, since the records begin on 2023-11-14: "
    )
    assert sent.startswith(f"sent {len(events):,} records in ")
    topics = [topic for topic in empty.topics.all if not topic.compacted]
    assert {config_of(empty, topic.name, "retention.ms") for topic in topics} == {"-1"}
    assert all(topic.name in told for topic in topics)


def test_new_records_come_into_topics_with_the_usual_retention(empty: Pipeline, tmp_path: Path) -> None:
    """Never for ever by default: the topics hold card numbers."""
    path = tmp_path / "new.jsonl"
    write_events(path, [Event(LOCATION, "k", now_ms() - 60_000, "{}")])
    done = run_app(empty, "produce", "--input", str(path))
    assert done.stdout.startswith("created location_data, ")
    assert config_of(empty, LOCATION, "retention.ms") == str(7 * DAY_MS)


def test_topics_that_would_delete_the_records_are_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    """With what to do; --allow-expiry sends them all the same."""
    pipeline.delete_all_topics(pipeline.bootstrap)
    pipeline.create_topics(**{"retention.ms": str(7 * DAY_MS)})
    path = tmp_path / "old.jsonl"
    write_events(
        path, [Event(LOCATION, "k", now_ms() - 8 * DAY_MS, "{}"), Event(LOCATION, "k", now_ms(), "{}")]
    )
    refused = run_app(pipeline, "produce", "--input", str(path))
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "error: location_data deletes records after 7.0 days (retention.ms=604800000)"
        " and the oldest of these is 8.0 days old: keep them with `kafka-configs.sh"
    )
    assert not pipeline.records(pipeline.topics.location_data)
    allowed = run_app(pipeline, "produce", "--input", str(path), "--allow-expiry")
    assert allowed.returncode == 0, allowed.stderr
    assert "location_data 2" in allowed.stdout


@pytest.mark.parametrize(
    ("retention_ms", "policy", "age_days", "is_refused"),
    [
        (str(7 * DAY_MS), "delete", 6.9, False),
        (str(7 * DAY_MS), "delete", 7.1, True),
        (str(7 * DAY_MS), "compact,delete", 7.1, True),
        (str(7 * DAY_MS), "compact", 7.1, False),
        ("-1", "delete", 9_000, False),
    ],
)
def test_only_what_a_topic_would_delete_is_refused(
    empty: Pipeline, retention_ms: str, policy: str, age_days: float, *, is_refused: bool
) -> None:
    """Retention counts where the policy deletes; negative means for ever."""
    overrides = {"retention.ms": retention_ms, "cleanup.policy": policy}
    only = [empty.topics.location_data]
    asyncio.run(
        create_topics(empty.connection, only, partitions=1, replication_factor=1, overrides=overrides)
    )
    preparing = prepare_topics(
        empty.connection,
        empty.topics,
        {LOCATION: now_ms() - int(age_days * DAY_MS)},
        partitions=1,
        replication_factor=1,
    )
    if is_refused:
        with pytest.raises(ConfigError, match=r"location_data deletes records after 7\.0 days"):
            asyncio.run(preparing)
    else:
        assert asyncio.run(preparing).created == ()


def test_a_file_that_cannot_be_sent_whole_is_not_begun(pipeline: Pipeline, tmp_path: Path) -> None:
    """A foreign topic, a time far ahead, a broken line: found before the first record is sent."""
    path = tmp_path / "bad.jsonl"
    good = Event(LOCATION, "k", now_ms(), "{}")
    for bad, message in (
        (Event("elsewhere", "k", 1, "{}"), "line 2: the topic is none of ours"),
        (Event(LOCATION, "k", now_ms() + 7_300_000, "{}"), "line 2: arrives 2.0 hours from now"),
    ):
        write_events(path, [good, bad])
        done = run_app(pipeline, "produce", "--input", str(path))
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.endswith(
            "error: 1 of 2 records cannot be sent, so nothing was; --skip-bad sends the others\n"
        )
        assert len(done.stderr.splitlines()) == 2
    assert not pipeline.records(pipeline.topics.location_data)


def test_a_bank_s_table_and_a_phone_s_track_meet_on_kafka(pipeline: Pipeline, tmp_path: Path) -> None:
    """CSV and GPX, sent together: keys, times of arrival and partitions as the detector needs them."""
    start_s = now_ms() // 1000 - 600
    times = [datetime.fromtimestamp(start_s + number, UTC).isoformat() for number in range(200)]
    rows = [
        transaction_row(**{"Transaction ID": f"t-{number}", "Device ID": "walk", "Timestamp": time})
        for number, time in enumerate(times)
    ]
    bank = write_csv(tmp_path / "bank.csv", rows)
    points = "".join(f'<trkpt lat="37.3" lon="-121.9"><time>{time}</time></trkpt>' for time in times)
    track = tmp_path / "walk.gpx"
    track.write_text(f"<gpx><trk><trkseg>{points}</trkseg></trk></gpx>")
    done = run_app(pipeline, "produce", "--input", str(bank), "--input", str(track))
    assert done.returncode == 0, done.stderr
    assert "sent 400 records in" in done.stdout
    transactions = pipeline.records(pipeline.topics.transaction_data)
    fixes = pipeline.records(pipeline.topics.location_data)
    assert [record.timestamp for record in transactions] == [(start_s + n) * 1000 for n in range(200)]
    assert [record.timestamp for record in fixes] == [(start_s + n) * 1000 for n in range(200)]
    assert {(record.key, record.partition) for record in transactions + fixes} == {
        (b"walk", fixes[0].partition)
    }
    assert [read_transaction(record.value).transaction_id for record in transactions] == [
        f"t-{number}" for number in range(200)
    ]
    assert {read_location(record.value).latitude_deg for record in fixes} == {37.3}
    with bank.open("a") as file:
        file.write("cut,off\n")
    refused = run_app(pipeline, "produce", "--input", str(bank), "--input", str(track))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0] == f"{bank}: line 202: has 2 cells; the header has 10"
    assert len(pipeline.records(pipeline.topics.transaction_data)) == 200
    skipped = run_app(pipeline, "produce", "--input", str(bank), "--skip-bad")
    assert skipped.returncode == 0
    assert len(pipeline.records(pipeline.topics.transaction_data)) == 400


def test_an_empty_file_is_no_error(empty: Pipeline, tmp_path: Path) -> None:
    """A script may make one; no topic is created for it."""
    path = tmp_path / "empty.jsonl"
    path.touch()
    done = run_app(empty, "produce", "--input", str(path))
    assert (done.returncode, done.stdout) == (0, "sent 0 records in 0.0 s (0/s): no records\n")


def test_a_simulation_goes_to_kafka_as_it_happens(pipeline: Pipeline, tmp_path: Path) -> None:
    """Ten seconds in two at --speed 5; no time lies in the future; each label has its transaction."""
    labels_path = tmp_path / "labels.csv"
    began_ms = now_ms()
    done = run_app(
        pipeline,
        *("simulate", "--rate", "50/s", "--seconds", "10", "--speed", "5", "--devices", "20"),
        *("--fraud-share", "0.2", "--labels", str(labels_path)),
    )
    assert done.returncode == 0, done.stderr
    ended_ms = now_ms()
    records = pipeline.records(pipeline.topics.transaction_data)
    fixes = pipeline.records(pipeline.topics.location_data)
    assert len(records) >= 250
    assert len(fixes) >= 20
    assert f"{len(records) + len(fixes):,} events in " in done.stdout
    assert all(began_ms - 12_000 <= record.timestamp <= ended_ms for record in records + fixes)
    labels = list(read_labels(labels_path))
    sent = b"\n".join(record.value for record in records)
    assert labels
    assert all(label.transaction_id.encode() in sent for label in labels)


def test_a_simulation_into_a_file_repeats_itself(tmp_path: Path) -> None:
    """No broker is needed; equal seed and start, equal files."""
    nobody = Pipeline("127.0.0.1:1", tmp_path)
    outputs = [tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl.gz"]
    for output in outputs:
        when = ("--seconds", "60", "--start", "2026-01-01T00:00Z")
        arguments = (*when, "--customers", "50", "--output", str(output))
        done = run_app(nobody, "simulate", *arguments)
        assert done.returncode == 0, done.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
