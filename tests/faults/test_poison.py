"""Poison among good records, under load and over a crash."""

import json
import random
from collections.abc import Iterator

import msgspec
import pytest

from sources.event_file import Event
from tests.faults.stream import DEVICES, assert_nothing_is_lost, feeding, let_it_run, phones
from tests.messages import POISON
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka

POISON_SHARE = 0.05
LARGE_SHARE = 0.02  # of the poison: a broker of two cores has other things to do than to copy megabytes
INPUTS = ("location_data", "transaction_data")

SMUGGLED = "smuggled"
MORE_POISON = {
    "no number": b'{"DeviceId":"smuggled","Time":"2026-01-01 00:00:00","Latitude":NaN,"Longitude":1}',
    "a number": b"7",
    "a text": b'"smuggled"',
    "a list of records": b'[{"DeviceId":"smuggled"},{"DeviceId":"smuggled"}]',
    "two with a comma": b'{"DeviceId":"smuggled"},{"DeviceId":"smuggled"}',
    "a line break": b"\n",
}
KINDS = POISON | MORE_POISON


def with_poison(good: Iterator[Event], chance: random.Random) -> Iterator[Event]:
    """Put poison of every kind at random places of a stream, under keys that good records have, too."""
    for event in good:
        yield event
        if chance.random() < POISON_SHARE:
            kind = chance.choice([name for name in KINDS if len(KINDS[name]) < 10_000])
            if chance.random() < LARGE_SHARE:
                kind = chance.choice(list(KINDS))
            yield msgspec.structs.replace(
                event, topic=chance.choice(INPUTS), value=KINDS[kind].decode("utf-8", "surrogateescape")
            )


def test_poison_in_a_stream_is_found_by_its_place_and_nothing_else_is_lost(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """The worker is killed meanwhile; dead letters may be repeated, but none is missing and none too many."""
    pipeline.configure(session_timeout_s=3)
    worker = pipeline.worker().wait_ready()
    with feeding(pipeline, with_poison(phones(), moments)):
        let_it_run(moments.uniform(1, 3))
        worker.kill()
        pipeline.worker().wait_ready()
        let_it_run(moments.uniform(0, 1))
    assert_nothing_is_lost(pipeline)
    poison = set(KINDS.values())
    found = {place_of(letter.headers) for letter in pipeline.records(pipeline.topics.dead_letters)}
    records = [
        r
        for t in (pipeline.topics.location_data, pipeline.topics.transaction_data)
        for r in pipeline.records(t)
    ]
    assert found == {(r.topic, r.partition, r.offset) for r in records if r.value in poison}
    bought = {
        json.loads(r.value)["Transaction ID"]
        for r in records
        if r.topic == "transaction_data" and r.value not in poison
    }
    assert {d.transaction_id for d in pipeline.decisions()} == bought
    assert pipeline.changelog_table().keys() <= {b"phone-%d" % n for n in range(DEVICES)}


def place_of(headers: list[tuple[str, bytes]]) -> tuple[str, int, int]:
    """Where the record of a dead letter came from."""
    told = {name: value.decode() for name, value in headers}
    return told["source_topic"], int(told["source_partition"]), int(told["source_offset"])
