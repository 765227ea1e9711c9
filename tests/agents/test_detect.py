"""The detector's agent without a broker: a chunk goes in, sends come out, and then it is acknowledged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faust
import msgspec
import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from app.decoders import input_decoders
from app.factory import create_detector
from app.settings import Settings
from app.topics import topics_of
from models.dead_letter import DeadLetter
from models.latest_location import LatestLocation
from streaming.partitions import partition_of
from tests.agents.chunks import FaustProducer, WatchedChunk
from tests.messages import (
    ABSENT,
    CARD_NUMBER,
    CUSTOMER_NAME,
    NOON_MS,
    as_json,
    location_message,
    record,
    transaction_message,
)
from tests.producer import FakeProducer, Row

PARTITIONS = 4
TIMEOUT_S = 10.0
PHONE, PARTITION = "phone", partition_of(b"phone", PARTITIONS)
TOPICS = topics_of(Settings())
DECODERS = input_decoders(TOPICS)
CHANGELOG = TOPICS.latest_locations_changelog.name
FAR_LATITUDE = "38.5"
STAGES = 4  # decisions, alerts, cases, states


class Detector:
    """A running detector whose broker is a list."""

    def __init__(
        self, app: faust.App, agent: Any, producer: FakeProducer, registry: CollectorRegistry
    ) -> None:
        self.app = app
        self._registry = registry
        self.producer = producer
        self._agent = agent

    async def take(self, *records: ConsumerRecord) -> WatchedChunk:
        """Give the agent a chunk; return it when all that follows is on its way."""
        chunk = WatchedChunk(records[0].partition, records, DECODERS)
        async with asyncio.timeout(TIMEOUT_S):
            await self._agent.put(chunk)
            await chunk.handed_over.wait()
        return chunk

    async def acknowledge(self) -> None:
        """Let the broker have everything."""
        for _ in range(STAGES):
            await self.acknowledge_once()

    async def acknowledge_once(self) -> None:
        """Let the broker have what was sent so far."""
        self.producer.acknowledge_all()
        await asyncio.gather(*self.producer.futures, return_exceptions=True)
        for _ in range(10):  # what waits for it goes on
            await asyncio.sleep(0)

    def rows(self, topic: str, partition: int | None = PARTITION) -> list[Row]:
        """What was sent to a partition."""
        return self.producer.log[topic, partition]

    def decisions(self, partition: int = PARTITION) -> list[dict[str, Any]]:
        """The decisions that were sent."""
        return lines(self.rows(TOPICS.transaction_decisions.name, partition))

    def flags(self) -> list[dict[str, Any]]:
        """What the fraud desk was sent."""
        return lines(self.rows(TOPICS.potential_fraud.name))

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self._registry.get_sample_value(name, labels) or 0.0

    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters that were sent."""
        return [
            DeadLetter.from_record(key, value, headers)
            for topic, _, key, value, headers, _ in self.producer.sent
            if topic == TOPICS.dead_letters.name
        ]


def lines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """JSON values."""
    return [json.loads(value) for _, value in rows if value is not None]


def settings(folder: Path) -> Settings:
    """A detector in memory, with a key of its own."""
    key_file = folder / "token.key"
    key_file.write_text("test:" + "5a" * 32)
    return Settings(
        store="memory", profile="paper", token_key_file=str(key_file), state_dir=str(folder), web_port=0
    )


def prepared_app(
    folder: Path, producer: FakeProducer, registry: CollectorRegistry, **changes: Any
) -> faust.App:
    """A detector whose broker is a list."""
    app = create_detector(replace(settings(folder), **changes), registry)
    app.producer = FaustProducer(producer)
    app.finalize()
    app.flow_control.resume()
    return app


@pytest.fixture
async def detector(tmp_path: Path) -> AsyncIterator[Detector]:
    """A detector on a broker of its own."""
    producer, registry = FakeProducer(), CollectorRegistry()
    app = prepared_app(tmp_path, producer, registry)
    async with app.agents["detect"].test_context() as agent:
        yield Detector(app, agent, producer, registry)


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Detector]:
    """A detector whose verdicts stay open, since locations may follow."""
    producer, registry = FakeProducer(), CollectorRegistry()
    app = prepared_app(tmp_path, producer, registry, profile="envelope")
    async with app.agents["detect"].test_context() as agent:
        yield Detector(app, agent, producer, registry)


def location(
    offset: int = 0, *, partition: int = PARTITION, key: bytes | None = b"phone", **changes: Any
) -> ConsumerRecord:
    """A record of location_data."""
    return record(
        TOPICS.location_data.name,
        partition=partition,
        offset=offset,
        key=key,
        value=as_json(location_message(**changes)),
    )


def purchase(
    offset: int = 0, *, partition: int = PARTITION, key: bytes | None = b"phone", **changes: Any
) -> ConsumerRecord:
    """A record of transaction_data; underscores of field names stand for blanks."""
    return record(
        TOPICS.transaction_data.name,
        partition=partition,
        offset=offset,
        key=key,
        value=as_json(transaction_message({name.replace("_", " "): v for name, v in changes.items()})),
    )


async def test_a_purchase_far_from_the_phone_is_decided_and_flagged(detector: Detector) -> None:
    """One line on each topic, under the device's key in the chunk's partition."""
    await detector.take(
        location(), purchase(Location_Latitude=FAR_LATITUDE, Timestamp="2024-04-01T12:01:00Z")
    )
    [decision] = detector.decisions()
    await detector.acknowledge()
    [flag] = detector.flags()
    assert decision["verdict"] == flag["verdict"] == "flagged"
    assert decision["transaction_id"] == flag["transaction_id"] == "t-1"
    assert flag["event"] == "flagged"
    for topic in (TOPICS.transaction_decisions.name, TOPICS.potential_fraud.name):
        assert [key for key, _ in detector.rows(topic)] == [b"phone"]


async def test_a_purchase_beside_the_phone_is_cleared(detector: Detector) -> None:
    """It has a decision, but the fraud desk hears nothing."""
    await detector.take(location(), purchase(Timestamp="2024-04-01T12:01:00Z"))
    assert [d["verdict"] for d in detector.decisions()] == ["cleared"]
    assert detector.flags() == []


async def test_a_purchase_sees_the_location_before_it_and_not_the_one_behind(detector: Detector) -> None:
    """The order of the chunk is the order of events, within it and from chunk to chunk."""
    await detector.take(
        purchase(0, Transaction_ID="unseen"),
        location(1),
        purchase(2, Transaction_ID="at home"),
        location(3, Latitude=38.5),
        purchase(4, Transaction_ID="away", Timestamp="2024-04-01T12:01:00Z"),
    )
    await detector.take(purchase(5, Transaction_ID="still away", Timestamp="2024-04-01T12:01:00Z"))
    assert [(d["transaction_id"], d["verdict"]) for d in detector.decisions()] == [
        ("unseen", "no_location"),
        ("at home", "cleared"),
        ("away", "flagged"),
        ("still away", "flagged"),
    ]


async def test_the_changelog_gets_the_last_location_of_each_device(detector: Detector) -> None:
    """One row a device and chunk, however many reports came; the key is the device id as it is."""
    other = next(
        d for d in map("phone-{}".format, range(100)) if partition_of(d.encode(), PARTITIONS) == PARTITION
    )
    await detector.take(
        location(0),
        location(1, DeviceId=other, key=other.encode()),
        location(2, Latitude=38.5, Speed=ABSENT),
    )
    await detector.acknowledge()
    rows = dict(detector.rows(CHANGELOG))
    assert rows.keys() == {b"phone", other.encode()}
    assert msgspec.msgpack.decode(rows[b"phone"] or b"", type=LatestLocation) == LatestLocation(
        datetime.fromtimestamp(NOON_MS / 1000, UTC), 38.5, -121.895130, None, 4.5
    )


async def test_what_is_no_message_becomes_a_dead_letter_and_the_rest_goes_on(detector: Detector) -> None:
    """Byte for byte, with its place; its neighbours are decided."""
    broken = record(TOPICS.transaction_data.name, partition=PARTITION, offset=7, key=b"k", value=b"{broken")
    future = purchase(8, Transaction_ID="future", Timestamp="2024-04-01T12:05:01Z")
    await detector.take(location(), broken, future, purchase(9))
    assert [
        (x.source_topic, x.source_partition, x.source_offset, x.reason_code) for x in detector.dead_letters()
    ] == [
        ("transaction_data", PARTITION, 7, "malformed"),
        ("transaction_data", PARTITION, 8, "clock_ahead"),
    ]
    assert detector.dead_letters()[0].value == b"{broken"
    assert detector.dead_letters()[0].key == b"k"
    assert [d["transaction_id"] for d in detector.decisions()] == ["t-1"]


async def test_a_megabyte_of_nonsense_does_not_stop_the_worker(detector: Detector) -> None:
    """Its dead letter must fit into a record together with its headers."""
    nonsense = b"[" * 1_048_000
    chunk = await detector.take(
        record(TOPICS.location_data.name, partition=PARTITION, offset=3, value=nonsense), purchase()
    )
    [letter] = detector.dead_letters()
    assert letter.value == nonsense[: 64 * 1024]
    assert letter.source_length_bytes == len(nonsense)
    await detector.acknowledge()
    assert chunk.acknowledged


@pytest.mark.parametrize(
    ("partition", "key"),
    [(PARTITION, b"another"), (PARTITION, None), ((PARTITION + 1) % PARTITIONS, b"phone")],
)
async def test_a_misplaced_record_goes_to_its_own_partition_and_is_not_decided_here(
    detector: Detector, partition: int, key: bytes | None
) -> None:
    """Here it would be judged without the device's locations, which lie elsewhere."""
    stray, stray_fix = purchase(5, partition=partition, key=key), location(6, partition=partition, key=key)
    await detector.take(stray, stray_fix)
    assert [(row[0], *row[1:]) for row in detector.producer.sent] == [
        (
            topic.name,
            PARTITION,
            b"phone",
            source.value,
            [
                ("source_topic", source.topic.encode()),
                ("source_partition", str(partition).encode()),
                ("source_offset", str(source.offset).encode()),
            ],
            source.timestamp,
        )
        for topic, source in (
            (TOPICS.transaction_repartition, stray),
            (TOPICS.location_repartition, stray_fix),
        )
    ]
    assert detector.decisions(partition) == []
    assert detector.rows(CHANGELOG, partition) == []


async def test_a_forwarded_record_is_decided_where_it_belongs(detector: Detector) -> None:
    """The repartition topics are inputs like the others."""
    sent = purchase(Timestamp="2024-04-01T12:01:00Z")
    forwarded = record(
        TOPICS.transaction_repartition.name, partition=PARTITION, key=b"phone", value=sent.value
    )
    await detector.take(location(), forwarded)
    assert [d["verdict"] for d in detector.decisions()] == ["cleared"]


async def test_what_follows_goes_out_in_stages_and_then_the_chunk_is_acknowledged(
    detector: Detector,
) -> None:
    """Whatever is found of a stage after a crash, those before it are there: state knows nothing untold."""
    chunk = await detector.take(
        location(), purchase(Location_Latitude=FAR_LATITUDE, Timestamp="2024-04-01T12:01:00Z")
    )
    stages = (TOPICS.transaction_decisions, TOPICS.potential_fraud, TOPICS.cases_changelog)
    written: list[str] = []
    for topic in (*stages, TOPICS.latest_locations_changelog):
        assert not chunk.acknowledged
        written.append(topic.name)
        assert sorted(name for name, _ in detector.producer.log) == sorted(written)
        await detector.acknowledge_once()
    assert chunk.acknowledged


async def test_stages_of_one_kind_keep_the_order_of_the_chunks(detector: Detector) -> None:
    """An older row of the changelog must not come last."""
    first = await detector.take(location(0), purchase(1, Location_Latitude=FAR_LATITUDE))
    second = await detector.take(location(2, Latitude=38.5))
    detector.producer.futures[0].set_exception(RuntimeError("lost"))
    await detector.acknowledge()
    assert not first.acknowledged
    assert not second.acknowledged, "its rows wait for their turn, which never comes"
    assert detector.rows(CHANGELOG) == []


async def test_the_next_chunk_does_not_wait_for_the_acknowledgement_of_the_last(detector: Detector) -> None:
    """Else every chunk would cost a round trip to the broker."""
    first = await detector.take(location())
    second = await detector.take(purchase())
    assert not first.acknowledged
    assert [d["verdict"] for d in detector.decisions()] == ["cleared"], "it sees the unacknowledged row"
    await detector.acknowledge()
    assert first.acknowledged
    assert second.acknowledged


async def test_a_send_that_fails_is_reported_with_the_place_and_nothing_is_acknowledged(
    detector: Detector,
) -> None:
    """The consumer then stops the worker with nothing committed over."""
    chunk = await detector.take(location(), purchase(41))
    detector.producer.futures[-1].set_exception(RuntimeError("not authorized"))
    await detector.acknowledge()
    assert not chunk.acknowledged
    [loss] = chunk.losses
    assert f"transaction_data[{PARTITION}] before 42" in str(loss)
    assert "not authorized" in str(loss)


async def test_a_chunk_that_is_read_again_decides_the_same(detector: Detector) -> None:
    """At least once: after a crash a consumer may see a line twice, but not two that differ."""
    records = location(), purchase(Location_Latitude=FAR_LATITUDE, Timestamp="2024-04-01T12:01:00Z")
    await detector.take(*records)
    await detector.take(*records)
    await detector.acknowledge()
    once, again = detector.rows(TOPICS.transaction_decisions.name)
    assert once == again
    assert len(detector.flags()) == 1, "the fraud desk was told already"


async def test_nothing_that_is_written_shows_card_or_name(detector: Detector) -> None:
    """But for records that are passed on byte for byte, which are none here."""
    await detector.take(
        location(), purchase(Location_Latitude=FAR_LATITUDE, Timestamp="2024-04-01T12:01:00Z")
    )
    await detector.acknowledge()
    written = b"".join(
        (key or b"") + (value or b"") for rows in detector.producer.log.values() for key, value in rows
    )
    assert b"7899" in written, "the last four digits are meant to be there"
    assert CARD_NUMBER.encode() not in written
    assert CUSTOMER_NAME.encode() not in written


async def test_a_second_detector_in_the_process_is_a_detector_of_its_own(
    detector: Detector, tmp_path: Path
) -> None:
    """Nothing is shared: no metrics, no table, no agent."""
    other = create_detector(settings(tmp_path), CollectorRegistry())
    assert other.agents["detect"] is not detector.app.agents["detect"]
    await detector.take(location())
    await detector.acknowledge()
    assert dict(detector.app.tables["latest_locations"].structs()).keys() == {b"phone"}
    assert dict(other.tables["latest_locations"].structs()) == {}


@pytest.mark.parametrize(
    ("base", "kept", "unused"),
    [("paper", "latest_locations", "tracks"), ("envelope", "tracks", "latest_locations")],
)
async def test_a_profile_of_a_file_has_the_table_of_its_kind(
    tmp_path: Path, base: str, kept: str, unused: str
) -> None:
    """Whatever its name is."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[profiles.mine]\nbase = "{base}"\n')
    chosen = replace(settings(tmp_path), profile="mine", profiles_file=str(profiles))
    tables = create_detector(chosen, CollectorRegistry()).tables
    assert kept in tables
    assert unused not in tables


async def test_what_the_agent_raises_ends_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust would start the agent again, and the chunk that it was at would block its partition's commits."""
    crashes: list[BaseException] = []
    crashed = asyncio.Event()

    async def crash(error: BaseException) -> None:
        crashes.append(error)
        crashed.set()

    app = prepared_app(tmp_path, FakeProducer(), CollectorRegistry())
    monkeypatch.setattr(app, "crash", crash)
    monkeypatch.setattr(app.tables["latest_locations"], "view", lambda *_: 1 // 0)
    chunk = WatchedChunk(PARTITION, [location()], DECODERS)

    async def until_it_crashes() -> None:
        async with asyncio.timeout(TIMEOUT_S), app.agents["detect"].test_context() as agent:
            await agent.put(chunk)
            await crashed.wait()

    with pytest.raises(ZeroDivisionError):
        await until_it_crashes()
    assert [type(error) for error in crashes] == [ZeroDivisionError]
    assert not chunk.acknowledged


async def test_what_becomes_of_each_record_is_counted(detector: Detector) -> None:
    """Each once, under its topic."""
    broken = record(TOPICS.transaction_data.name, partition=PARTITION, offset=7, key=b"k", value=b"{broken")
    await detector.take(
        location(), location(1), purchase(2), purchase(3), broken, purchase(4, key=b"another")
    )
    counted = {
        (topic.name, outcome): detector.metric("smartbank_events_total", topic=topic.name, outcome=outcome)
        for topic in (TOPICS.location_data, TOPICS.transaction_data)
        for outcome in ("taken", "repeated", "misplaced", "dead_letter")
    }
    assert {place: count for place, count in counted.items() if count} == {
        ("location_data", "taken"): 2,
        ("transaction_data", "taken"): 1,
        ("transaction_data", "repeated"): 1,
        ("transaction_data", "misplaced"): 1,
        ("transaction_data", "dead_letter"): 1,
    }
    assert detector.metric("smartbank_dead_letters_total", topic="transaction_data", reason="malformed") == 1


async def test_verdicts_are_counted_with_every_reason(patient: Detector) -> None:
    """And what the fraud desk is told."""
    far = purchase(1, Location_Latitude=FAR_LATITUDE, Timestamp="2024-04-01T12:01:00Z")
    await patient.take(location(), far)
    verdict = {"stage": "provisional", "verdict": "flagged"}
    assert patient.metric("smartbank_verdicts_total", **verdict) == 1
    [decision] = patient.decisions()
    for reason in decision["reasons"]:
        assert patient.metric("smartbank_verdict_reasons_total", **verdict, reason=reason) == 1
    assert patient.metric("smartbank_alerts_total", event="flagged") == 1
    assert patient.metric("smartbank_open_transactions", partition=str(PARTITION)) == 1


async def test_latency_ends_with_the_acknowledgement_and_is_of_recent_first_verdicts(
    detector: Detector,
) -> None:
    """Of a backlog it would tell how old that is; a repeat was told before."""
    now_ms = int(time.time() * 1000)
    fresh = [replace(purchase(n, Transaction_ID=f"t-{n}"), timestamp=now_ms - 3_000) for n in range(3)]
    again = replace(purchase(3, Transaction_ID="t-0"), timestamp=now_ms)
    await detector.take(purchase(4, Transaction_ID="of 2024"), *fresh, again)
    assert detector.metric("smartbank_verdict_latency_seconds_count") == 0
    await detector.acknowledge()
    assert detector.metric("smartbank_verdict_latency_seconds_count") == 3
    assert detector.metric("smartbank_verdict_latency_seconds_bucket", le="2.5") == 0
    assert detector.metric("smartbank_verdict_latency_seconds_sum") >= 9
    assert detector.metric("smartbank_historic_verdicts_total") == 1
