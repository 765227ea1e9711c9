"""The publisher's agent without a broker: chunks are acknowledged with the snapshot that holds them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import faust
import msgspec
import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from app.decoders import decoders_of
from app.publishing import create_publisher
from app.settings import Settings
from app.topics import topics_of
from models.anonymized_transaction import AnonymizedTransaction
from models.dead_letter import DeadLetter
from models.published_group import PublishedGroup
from sketches.notebook import Snapshot
from sketches.tally import Tally
from streaming.chunk import Chunk
from streaming.partitions import partition_of
from tests.agents.chunks import FaustProducer, WatchedChunk
from tests.decided import Line, decided, fixes
from tests.messages import NOON_MS, record
from tests.producer import FakeProducer

TOPICS = topics_of(Settings())
DECODERS = decoders_of(TOPICS.publisher.reads)
PARTITION = partition_of(b"phone-0", 4)
TIMEOUT_S = 10.0
STAGES = 5  # sketches, views and devices; groups, then rows


class Publisher:
    """A running publisher whose broker is a list."""

    def __init__(self, agent: Any, producer: FakeProducer, registry: CollectorRegistry) -> None:
        self.producer = producer
        self._agent = agent
        self._registry = registry

    async def take(self, records: Sequence[ConsumerRecord]) -> Chunk:
        """Give the agent a chunk; return it when it was worked on."""
        chunk = WatchedChunk(PARTITION, records, DECODERS)
        async with asyncio.timeout(TIMEOUT_S):
            await self._agent.put(chunk)
            await chunk.handed_over.wait()
        return chunk

    async def acknowledge(self) -> None:
        """Let the broker have every stage."""
        for _ in range(STAGES + 1):
            self.producer.acknowledge_all()
            await asyncio.sleep(0.002)

    async def give_back(self, chunk: Chunk) -> None:
        """Hurry a chunk as a rebalance does, until it is given back."""
        async with asyncio.timeout(TIMEOUT_S):
            while not chunk.given_back:
                chunk.hurry()
                await self.acknowledge()

    def rows(self, topic: str) -> dict[bytes, Snapshot]:
        """The last rows of a changelog's partition."""
        rows = dict(self.producer.log[topic, PARTITION])
        return {key: msgspec.msgpack.decode(row, type=Snapshot) for key, row in rows.items() if key and row}

    def flagged(self) -> int:
        """How many flagged transactions the views hold."""
        tallies = [
            Tally.from_bytes(row.sketch)
            for key, row in self.rows(TOPICS.views_changelog.name).items()
            if key.startswith(b"flagged/")
        ]
        return Tally.merged(tallies).events.get("flagged", 0)

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value."""
        return self._registry.get_sample_value(name, labels) or 0.0

    def outcome(self, topic: str, outcome: str) -> float:
        """How many records of a topic had that outcome."""
        return self.metric("smartbank_events_total", topic=topic, outcome=outcome)


def prepared(folder: Path, producer: FakeProducer, registry: CollectorRegistry, **changes: Any) -> faust.App:
    """A publisher in memory, with a key of its own."""
    key_file = folder / "token.key"
    key_file.write_text("test:" + "5a" * 32)
    settings = Settings(
        store="memory",
        token_key_file=str(key_file),
        state_dir=str(folder),
        publisher_web_port=0,
        **{"snapshot_interval_s": 3600.0, "anonymity_limit_s": 0.0, **changes},
    )
    app = create_publisher(settings, registry)
    app.producer = FaustProducer(producer)
    app.finalize()
    app.flow_control.resume()
    return app


@pytest.fixture
async def publisher(tmp_path: Path) -> AsyncIterator[Publisher]:
    """A publisher that writes a snapshot after 200 records."""
    producer, registry = FakeProducer(), CollectorRegistry()
    app = prepared(tmp_path, producer, registry, snapshot_max_records=200)
    async with app.agents["publish"].test_context() as agent:
        yield Publisher(agent, producer, registry)


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[Publisher]:
    """A publisher whose rows wait for three people until fifty more rows have come."""
    producer, registry = FakeProducer(), CollectorRegistry()
    app = prepared(tmp_path, producer, registry, anonymity_limit_s=3600.0, anonymity_k=3, anonymity_delta=50)
    async with app.agents["publish"].test_context() as agent:
        yield Publisher(agent, producer, registry)


def records(lines: Sequence[Line], first_offset: int = 0) -> list[ConsumerRecord]:
    """Lines as records; offsets go on in each topic as if it had no others."""
    return [
        record(
            line.topic,
            partition=PARTITION,
            offset=first_offset + number,
            key=line.key.encode(),
            value=line.value,
            timestamp_ms=line.time_ms,
        )
        for number, line in enumerate(lines)
    ]


def of_one_phone(count: int) -> list[Line]:
    """Decisions and alerts of one device."""
    lines = decided(TOPICS, devices=1, start_ms=NOON_MS, flagged_share=0.5)
    return list(islice(lines, count))


async def test_chunks_wait_for_the_snapshot_that_holds_them(publisher: Publisher) -> None:
    """None is acknowledged before, all of them are behind it."""
    lines = of_one_phone(240)
    first = await publisher.take(records(lines[:120]))
    await publisher.acknowledge()
    assert not first.acknowledged
    assert not publisher.producer.log
    second = await publisher.take(records(lines[120:], 120))
    assert not second.acknowledged, "it is on its way"
    await publisher.acknowledge()
    assert first.acknowledged
    assert second.acknowledged
    flagged = {line.value for line in lines if line.topic == TOPICS.potential_fraud.name}
    ids = {v["transaction_id"] for v in map(msgspec.json.decode, flagged) if v["event"] == "flagged"}
    assert publisher.flagged() == len(ids)


async def test_whoever_waits_for_a_chunk_hurries_its_snapshot(publisher: Publisher) -> None:
    """As a rebalance does, again and again."""
    chunk = await publisher.take(records(of_one_phone(10)))
    for _ in range(3):
        chunk.hurry()
    await publisher.acknowledge()
    assert chunk.acknowledged
    assert publisher.metric("smartbank_sketch_snapshots_total") == 1


async def test_a_silent_partition_has_nothing_to_wait_for(publisher: Publisher) -> None:
    """A chunk without records is acknowledged at once."""
    chunk = await publisher.take([])
    assert chunk.acknowledged


async def test_a_line_that_is_none_becomes_a_dead_letter(publisher: Publisher) -> None:
    """Its neighbours are counted; a location that is none has its dead letter from the detector."""
    broken = [
        record(TOPICS.transaction_decisions.name, partition=PARTITION, offset=900, key=b"k", value=b"{"),
        record(TOPICS.location_data.name, partition=PARTITION, offset=900, key=b"k", value=b"{"),
    ]
    await publisher.take([*records(of_one_phone(200)), *broken])
    await publisher.acknowledge()
    letters = [
        DeadLetter.from_record(key, value, headers)
        for topic, _, key, value, headers, _ in publisher.producer.sent
        if topic == TOPICS.dead_letters.name
    ]
    assert [(x.source_topic, x.source_offset, x.reason_code) for x in letters] == [
        ("transaction_decisions", 900, "malformed")
    ]
    outcomes = (publisher.outcome(TOPICS.location_data.name, each) for each in ("skipped", "dead_letter"))
    assert tuple(outcomes) == (1, 0)
    assert publisher.outcome(TOPICS.transaction_decisions.name, "dead_letter") == 1
    labels = {"topic": TOPICS.transaction_decisions.name, "reason": "malformed"}
    assert publisher.metric("smartbank_dead_letters_total", **labels) == 1
    assert publisher.flagged() > 0


async def test_locations_that_the_detector_forwards_are_counted_where_they_arrive(
    publisher: Publisher,
) -> None:
    """Not where they lie: under another key, or in another partition than their device's."""
    stray = next(n for n in range(1, 50) if partition_of(f"phone-{n}".encode(), 4) != PARTITION)
    here, elsewhere = (
        [line for line in fixes(TOPICS, devices=stray + 1, start_ms=NOON_MS, each=12) if line.key == key]
        for key in ("phone-0", f"phone-{stray}")
    )
    other_key = [Line(line.topic, "another key", line.value, line.time_ms) for line in here]
    chunk = await publisher.take(records([*here, *elsewhere, *other_key]))
    chunk.hurry()
    await publisher.acknowledge()
    assert publisher.metric("smartbank_sensor_readings_total", answer="Approved") == 12
    assert publisher.outcome(TOPICS.location_data.name, "skipped") == 24
    assert publisher.outcome(TOPICS.location_data.name, "taken") == 12
    assert publisher.rows(TOPICS.devices_changelog.name).keys() == {b"phone-0"}


async def test_repeated_lines_are_counted_as_such(publisher: Publisher) -> None:
    """By the metric; the views do not see them."""
    lines = of_one_phone(50)
    await publisher.take(records(lines))
    decisions = TOPICS.transaction_decisions.name
    before, repeats = (publisher.outcome(decisions, outcome) for outcome in ("taken", "repeated"))
    await publisher.take(records(lines, 50))
    assert publisher.outcome(decisions, "taken") == before > 0
    assert publisher.outcome(decisions, "repeated") == before + 2 * repeats


def of_many_phones(count: int) -> list[Line]:
    """Decisions and alerts of devices that lie in one partition here."""
    return list(islice(decided(TOPICS, devices=30, start_ms=NOON_MS), count))


def published(publisher: Publisher) -> dict[bytes, AnonymizedTransaction]:
    """All rows, by token; the last of each."""
    return {
        key: msgspec.json.decode(row, type=AnonymizedTransaction)
        for (topic, _), rows in publisher.producer.log.items()
        if topic == TOPICS.anonymized_transactions.name
        for key, row in rows
        if key and row
    }


async def test_a_group_is_stored_before_any_of_it_is_published(patient: Publisher) -> None:
    """As one row of the table: no crash leaves half of it."""
    chunk = await patient.take(records(of_many_phones(400)))
    await asyncio.sleep(0.01)
    assert patient.producer.log[TOPICS.groups_changelog.name, PARTITION]
    assert not published(patient)
    await patient.acknowledge()
    rows = published(patient)
    stored = [
        msgspec.msgpack.decode(row, type=PublishedGroup)
        for _, row in patient.producer.log[TOPICS.groups_changelog.name, PARTITION]
        if row
    ]
    assert {key for group in stored for key in group.keys} == rows.keys()
    assert all(row.group_size >= 3 for row in rows.values())
    assert not chunk.acknowledged, "rows of it still wait for company"


async def test_what_waits_for_company_is_given_back_when_the_partition_goes(patient: Publisher) -> None:
    """Nothing is suppressed or published below k: the next owner reads it again."""
    chunk = await patient.take(records(of_many_phones(400)))
    chunk.hurry()
    assert not chunk.given_back, "a group is on its way"
    await patient.acknowledge()
    before = published(patient)
    await patient.give_back(chunk)
    assert not chunk.acknowledged
    assert published(patient) == before
    assert not patient.metric("smartbank_suppressed_rows_total", reason="too_few_people")


async def test_what_was_published_is_repeated_verbatim_when_it_is_read_again(patient: Publisher) -> None:
    """In the groups that it had; what waited then finds a group now."""
    lines = records(of_many_phones(400))
    chunk = await patient.take(lines)
    await patient.acknowledge()
    first = published(patient)
    await patient.give_back(chunk)
    await patient.take([*lines, *records(of_many_phones(800)[400:], 400)])
    await patient.acknowledge()
    again = published(patient)
    assert first.items() < again.items()
    assert patient.metric("smartbank_repeated_rows_total") == len(first)


async def test_rows_that_find_no_company_in_time_are_suppressed_and_counted(publisher: Publisher) -> None:
    """One person alone is never published, and does not hold the others up."""
    chunk = await publisher.take(records(of_one_phone(200)))
    await publisher.acknowledge()
    assert chunk.acknowledged
    assert not published(publisher)
    assert publisher.metric("smartbank_suppressed_rows_total", reason="too_few_people") > 0
