"""Somebody else writes to the changelog of a partition that a worker owns: the worker's rows come last.

The zombie here is a plain producer, so that its rows come when the test wants them; tests/faults stops and
continues real workers.
"""

import time
from datetime import UTC, datetime

import msgspec
import pytest

from models.latest_location import LatestLocation
from tests.pipeline import Pipeline, location, wait_until

pytestmark = pytest.mark.kafka

STALE = msgspec.msgpack.encode(
    LatestLocation(datetime(1970, 1, 1, tzinfo=UTC), latitude_deg=0.0, longitude_deg=0.0)
)
DEVICES = 50
REPAIR_TIMEOUT_S = 30.0


def haunt(pipeline: Pipeline) -> None:
    """Write rows of the past: of devices that the owner knows, and of one that it does not."""
    producer = pipeline.producer()
    for device_id in (*(f"phone-{n}" for n in range(0, DEVICES, 2)), "unknown-to-the-owner"):
        producer.produce(pipeline.topics.latest_locations_changelog.name, STALE, key=device_id)
    assert producer.flush(30) == 0


def feed(pipeline: Pipeline, lat: float) -> None:
    """Every phone reports once."""
    now_ms = int(time.time() * 1000)
    pipeline.produce(location(f"phone-{n}", now_ms, lat=lat) for n in range(DEVICES))
    pipeline.wait_complete()


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_rows_of_a_zombie_are_followed_by_those_of_the_owner(pipeline: Pipeline, store: str) -> None:
    """Whether the owner writes afterwards, so that a gap tells, or not."""
    pipeline.worker(env={"SMARTBANK_STORE": store}).wait_ready()
    for lat in (37.0, 38.0):
        feed(pipeline, lat)
        haunt(pipeline)
        wait_until(
            lambda: pipeline.changelog_table() == pipeline.true_table(),
            REPAIR_TIMEOUT_S,
            "changelog equal to the truth",
        )
    haunt(pipeline)
    feed(pipeline, 39.0)
    wait_until(
        lambda: pipeline.changelog_table() == pipeline.true_table(), REPAIR_TIMEOUT_S, "changelog equal"
    )


@pytest.mark.parametrize("store", ["memory", "rocksdb"])
def test_an_owner_that_leaves_leaves_its_own_rows_last(pipeline: Pipeline, store: str) -> None:
    """The next owner takes the log for the truth, so it must be true before the partition is handed over."""
    env = {"SMARTBANK_STORE": store}
    worker = pipeline.worker(env=env).wait_ready()
    feed(pipeline, 37.0)
    haunt(pipeline)
    assert worker.terminate() == 0
    assert pipeline.changelog_table() == pipeline.true_table()
