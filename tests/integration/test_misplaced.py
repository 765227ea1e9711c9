"""Producers that do not put a device where it belongs: their verdicts are right all the same."""

from collections.abc import Callable, Iterable
from itertools import groupby

import pytest
from confluent_kafka import Producer

from sources.event_file import Event
from tests.faults.stream import wait_for_members
from tests.pipeline import Pipeline, simulated_events
from tests.verdicts import closing, finals, replayed

pytestmark = pytest.mark.kafka

Key = Callable[[Event], bytes | None]


def device(event: Event) -> bytes | None:
    """As it should be; but librdkafka's default partitioner is CRC32, not murmur2."""
    return event.key_bytes


def nothing(event: Event) -> None:
    """No key: some partition or other."""


def produce(bootstrap: str, events: Iterable[Event], misplaced: set[str], key_of: Key) -> None:
    """Send events: those of some topics as confluent-kafka does where nobody told it otherwise.

    Minute by minute: two producers are not in step, and what comes minutes late is another test's matter.
    """
    careless = Producer({"bootstrap.servers": bootstrap})
    careful = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for _, minute in groupby(events, lambda event: event.arrival_ms // 60_000):
        for event in minute:
            producer, key = (
                (careless, key_of(event)) if event.topic in misplaced else (careful, event.key_bytes)
            )
            producer.produce(event.topic, event.value_bytes, key, timestamp=event.arrival_ms)
            producer.poll(0)
        assert careless.flush(30) == careful.flush(30) == 0


@pytest.mark.parametrize(
    ("misplaced", "key_of", "duration_s"),
    [
        pytest.param({"location_data"}, device, 900.0, id="the phones by CRC32"),
        # No more than a track holds densely: transactions may come after all of their locations.
        pytest.param({"transaction_data", "location_data"}, device, 300.0, id="both topics by CRC32"),
        pytest.param({"transaction_data"}, nothing, 300.0, id="the bank without keys"),
    ],
)
def test_final_verdicts_are_those_of_replay(
    pipeline: Pipeline, misplaced: set[str], key_of: Key, duration_s: float
) -> None:
    """Minutes of a stream that are read in a second by two workers; and the books balance."""
    # On a busy machine what one worker forwards comes seconds after the other has read the rest.
    pipeline.configure(profile="envelope", web_port=0, forward_wait_s=12)
    workers = [pipeline.worker() for _ in range(2)]
    wait_for_members(pipeline, 2)
    for worker in workers:
        worker.wait_ready()
    events = simulated_events(seed=11, devices=20, duration_s=duration_s)
    produce(pipeline.bootstrap, events, misplaced, key_of)
    pipeline.produce(closing(pipeline, events))
    report = pipeline.wait_complete(120)
    for topic in misplaced:
        tally = report.tallies[topic]
        assert 0.4 * tally.records < tally.re_keyed <= tally.records
    expected = {name: d.verdict for name, d in replayed(pipeline, events).items()}
    assert len(expected) > 200
    assert {name: d.verdict for name, d in finals(pipeline.decisions()).items()} == expected
