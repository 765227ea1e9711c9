"""The detector on a real Kafka: what comes out for what goes in."""

import json
import time
from collections.abc import Callable
from itertools import islice

import msgspec
import pytest

from app.decoders import input_decoders
from app.replay import replay
from app.rules import detector_of
from app.settings import PROJECT_DIR
from detection.detector import Outcome
from sources.event_file import Event, read_events
from tests.messages import POISON
from tests.pipeline import Pipeline, location, purchase, simulated_events, wait_until

pytestmark = pytest.mark.kafka

FAR_LAT = 38.5


def test_a_far_purchase_is_flagged_a_near_one_cleared_an_unknown_device_has_no_location(
    pipeline: Pipeline,
) -> None:
    """The three kinds of lines of the paper's Figure 4."""
    now_ms = int(time.time() * 1000)
    pipeline.produce(
        [
            location("phone", now_ms),
            purchase("near", "phone", now_ms + 1000),
            purchase("far", "phone", now_ms + 2000, lat=FAR_LAT),
            purchase("unknown", "never-seen", now_ms + 3000),
        ]
    )
    pipeline.worker().wait_ready()
    report = pipeline.wait_complete()
    assert {d.transaction_id: d.verdict for d in pipeline.decisions()} == {
        "near": "cleared",
        "far": "flagged",
        "unknown": "no_location",
    }
    (flagged,) = pipeline.records(pipeline.topics.potential_fraud)
    assert json.loads(flagged.value)["transaction_id"] == "far"
    assert flagged.key == b"phone"
    assert report.balances(complete=True)


def test_no_card_number_or_name_in_anything_the_detector_writes(pipeline: Pipeline) -> None:
    """But where an input is quoted: tokens and the last four digits go on, never both in one record."""
    now_ms = int(time.time() * 1000)
    astray = msgspec.structs.replace(purchase("astray", "phone", now_ms + 2000, lat=FAR_LAT), key="elsewhere")
    pipeline.produce(
        [location("phone", now_ms), purchase("far", "phone", now_ms + 1000, lat=FAR_LAT), astray]
    )
    worker = pipeline.worker().wait_ready()
    pipeline.wait_complete()
    written = b"".join(
        (record.value or b"") + (record.key or b"")
        for topic in pipeline.topics.all
        if topic not in (pipeline.topics.transaction_data, pipeline.topics.transaction_repartition)
        for record in pipeline.records(topic)
    )
    assert b"far" in written
    for secret in (b"4000001234567899", b"Somebody Real"):
        assert secret not in written
        assert secret not in worker.log.encode()
    assert len(pipeline.records(pipeline.topics.transaction_repartition)) <= 1
    for flagged in pipeline.records(pipeline.topics.potential_fraud):
        fields = json.loads(flagged.value)
        assert fields["card_last4"] == "7899"
        assert "card_token" not in fields


def test_every_poison_is_a_dead_letter_and_hides_no_neighbour(pipeline: Pipeline) -> None:
    """Bytes, place and a reason; the good records between them are all processed."""
    now_ms = int(time.time() * 1000)
    producer = pipeline.producer()
    for number, poison in enumerate(POISON.values()):
        good = location(f"phone-{number}", now_ms)
        producer.produce(good.topic, good.value_bytes, key=good.key_bytes)
        producer.produce("location_data", poison, key=good.key_bytes)
        producer.produce("transaction_data", poison, key=good.key_bytes)
    producer.produce("location_data", None, key=b"phone-0")
    producer.produce("location_data", None, key=b"k" * 1_000_000)
    huge = purchase("huge", "phone-0", now_ms, lat=FAR_LAT, Merchant="m" * 1_040_000)
    producer.produce("transaction_data", huge.value_bytes, key=b"phone-0")
    producer.produce("transaction_data", huge.value_bytes, key=b"elsewhere")
    producer.produce("transaction_data", b"{}", key=None)
    producer.flush()
    pipeline.produce(purchase(f"t{n}", f"phone-{n}", now_ms + 1000) for n in range(len(POISON)))
    worker = pipeline.worker().wait_ready()
    pipeline.wait_complete()
    letters = pipeline.records(pipeline.topics.dead_letters)
    assert len(letters) == 2 * len(POISON) + 5
    assert pipeline.dead_letter_reasons()["too_large"] == 2
    assert {d.transaction_id for d in pipeline.decisions()} == {f"t{n}" for n in range(len(POISON))}
    assert all(d.verdict == "cleared" for d in pipeline.decisions())
    by_place = {
        (r.topic, r.partition, r.offset): r
        for topic in (pipeline.topics.location_data, pipeline.topics.transaction_data)
        for r in pipeline.records(topic)
    }
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers}
        source = by_place[
            headers["source_topic"], int(headers["source_partition"]), int(headers["source_offset"])
        ]
        assert letter.key == (source.key if source.key is None else source.key[:1024])
        assert int(headers["source_key_length_bytes"]) == len(source.key or b"")
        assert letter.value == (source.value if source.value is None else source.value[: 64 * 1024])
        assert int(headers["source_length_bytes"]) == len(source.value or b"")
        assert headers["reason"]
    assert worker.process.poll() is None


def test_a_clock_far_ahead_of_its_record_is_a_dead_letter(pipeline: Pipeline) -> None:
    """The phone's next fix would otherwise look as if it came from the past."""
    now_ms = int(time.time() * 1000)
    ahead = msgspec.structs.replace(location("phone", now_ms + 3_600_000), arrival_ms=now_ms)
    pipeline.produce([location("phone", now_ms), ahead])
    pipeline.worker().wait_ready()
    pipeline.wait_complete()
    assert pipeline.dead_letter_reasons() == {"clock_ahead": 1}


@pytest.mark.parametrize("partitioner", ["consistent", "murmur2_random"])
def test_records_under_a_wrong_key_or_partition_meet_their_device_all_the_same(
    pipeline: Pipeline, partitioner: str
) -> None:
    """The default of librdkafka is CRC32, not murmur2: a bank's producers will use it sooner or later."""
    now_ms = int(time.time() * 1000)
    devices = [f"phone-{n}" for n in range(20)]
    worker = pipeline.worker().wait_ready()
    keyless = [
        Event("location_data", None if n % 2 else "wrong", now_ms, location(d, now_ms).value)
        for n, d in enumerate(devices)
    ]
    pipeline.produce(keyless, partitioner=partitioner)
    wait_until(lambda: len(pipeline.changelog_table()) == len(devices), 30, "every device in the table")
    pipeline.produce((purchase(f"t-{d}", d, now_ms + 1000) for d in devices), partitioner=partitioner)
    report = pipeline.wait_complete()
    decisions = pipeline.decisions()
    assert {d.transaction_id: d.verdict for d in decisions} == {f"t-{d}": "cleared" for d in devices}
    assert worker.process.poll() is None
    assert report.balances(complete=True)


LABELLED = PROJECT_DIR.parent / "shared" / "data" / "labelled" / "events.jsonl.gz"
IN_STEP = 300


def simulated() -> list[Event]:
    """A seeded stream that the project makes itself."""
    return simulated_events(seed=7)[:IN_STEP]


def labelled() -> list[Event]:
    """Real GPS tracks with purchases on and off them."""
    if not LABELLED.exists():
        pytest.skip("the labelled events are not part of the project, and not beside it")
    return list(islice(read_events(LABELLED), IN_STEP))


@pytest.mark.parametrize(
    ("store", "events_of"), [("memory", simulated), ("rocksdb", simulated), ("rocksdb", labelled)]
)
def test_fed_in_step_the_worker_decides_as_replay_does(
    pipeline: Pipeline, store: str, events_of: Callable[[], list[Event]]
) -> None:
    """Transaction by transaction. `paper` depends on the order of arrival, so each waits for the last."""
    events = events_of()
    results = list(
        replay(events, input_decoders(pipeline.topics), detector_of(pipeline.settings), max_clock_skew_s=300)
    )
    expected = {r.decision.transaction_id: r.decision for r in results if isinstance(r, Outcome)}
    assert len({d.verdict for d in expected.values()}) >= 2
    pipeline.worker(env={"SMARTBANK_STORE": store}).wait_ready()
    pipeline.produce_in_step(events)
    pipeline.wait_complete()
    assert {d.transaction_id: d for d in pipeline.decisions()} == expected
    assert len(pipeline.records(pipeline.topics.dead_letters)) == len(results) - sum(
        isinstance(r, Outcome) for r in results
    )
