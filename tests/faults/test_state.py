"""State that is gone, damaged, of another log, or older than what compaction left."""

import random
import shutil
import time
from pathlib import Path

import pytest

from tests.faults.stream import assert_nothing_is_lost, feeding, let_it_run
from tests.faults.supervisor import Supervisor
from tests.pipeline import Pipeline, Worker, location, purchase, wait_until

pytestmark = pytest.mark.kafka


def test_state_of_topics_that_were_deleted_and_made_again_is_not_taken_for_the_new_ones(
    pipeline: Pipeline,
) -> None:
    """Somebody starts over with topics, but not with the state directory."""
    now_ms = int(time.time() * 1000)
    pipeline.produce(location(f"old-{n}", now_ms) for n in range(100))
    worker = pipeline.worker().wait_ready()
    pipeline.wait_complete()
    assert worker.terminate() == 0
    pipeline.delete_all_topics(pipeline.bootstrap)
    pipeline.create_topics()
    pipeline.produce(location(f"new-{n}", now_ms) for n in range(20))
    pipeline.worker().wait_ready()
    assert_nothing_is_lost(pipeline)
    pipeline.produce([purchase("old", "old-1", now_ms)])
    pipeline.wait_complete()
    assert {d.transaction_id: d.verdict for d in pipeline.decisions()}["old"] == "no_location"


@pytest.mark.parametrize("store", ["rocksdb"])
def test_a_state_directory_that_is_gone_is_rebuilt(pipeline: Pipeline, moments: random.Random) -> None:
    """All of it, or that of one partition."""
    worker = pipeline.worker().wait_ready()
    with feeding(pipeline):
        let_it_run(moments.uniform(0.2, 2))
        end(worker, moments)
        shutil.rmtree(moments.choice([pipeline.state_dir, *partition_dirs(pipeline)]))
        pipeline.worker().wait_ready()
    assert_nothing_is_lost(pipeline)


@pytest.mark.parametrize("store", ["rocksdb"])
def test_a_damaged_state_directory_is_rebuilt(
    pipeline: Pipeline, supervisor: Supervisor, moments: random.Random
) -> None:
    """Damage of any file. What shows only when rows are read ends the worker; the next start rebuilds."""
    with feeding(pipeline):
        for _ in range(moments.choice([1, 2])):  # a second start leaves other files than the first
            (worker,) = supervisor.start(1)
            let_it_run(moments.uniform(0.2, 2))
            end(supervisor.release(worker), moments)
        for folder in partition_dirs(pipeline):
            damage(moments.choice(sorted(file for file in folder.iterdir() if file.stat().st_size)), moments)
        supervisor.start(1)
    assert_nothing_is_lost(pipeline)


def end(worker: Worker, moments: random.Random) -> None:
    """End it one way or the other: the directory is closed well, or left as it happened to be."""
    if moments.random() < 0.5:
        worker.kill()
    else:
        assert worker.terminate() == 0


def partition_dirs(pipeline: Pipeline) -> list[Path]:
    """The RocksDB directories that there are."""
    return sorted(pipeline.state_dir.rglob("*.db"))


def damage(file: Path, moments: random.Random) -> None:
    """Cut it short, write rubbish into it, or delete it."""
    size_bytes = file.stat().st_size
    how = moments.choice(["cut", "rubbish", "gone"])
    print(f"{how}: {file.parent.name}/{file.name}, {size_bytes} bytes")
    if how == "gone":
        file.unlink()
        return
    at = moments.randrange(size_bytes)
    with file.open("r+b") as stream:
        stream.seek(at)
        if how == "cut":
            stream.truncate()
        else:
            stream.write(moments.randbytes(min(64, size_bytes - at)))


COMPACTED_AT_ONCE = {
    "segment.ms": "200",
    "segment.bytes": str(1024 * 1024),  # the least that Kafka 4 takes
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
}


def test_state_older_than_what_compaction_left_of_the_changelog_catches_up(
    pipeline: Pipeline, tmp_path: Path, moments: random.Random
) -> None:
    """A worker is killed; another goes on elsewhere until all that the first wrote is compacted away."""
    changelog = pipeline.topics.latest_locations_changelog
    pipeline.alter_topic(changelog.name, COMPACTED_AT_ONCE)
    pipeline.configure(session_timeout_s=3)
    elsewhere = {"SMARTBANK_STATE_DIR": str(tmp_path / "elsewhere")}
    first = pipeline.worker().wait_ready()
    with feeding(pipeline):
        wait_until(lambda: pipeline.count(changelog) > 1000, 60, "rows in the changelog")
        let_it_run(moments.uniform(0, 1))
        first.kill()
        ends = pipeline.end_offsets(changelog)
        second = pipeline.worker(env=elsewhere).wait_ready()

        def is_compacted() -> bool:
            return all(record.offset > ends[record.partition] for record in pipeline.records(changelog))

        wait_until(is_compacted, 60, "all rows of the first worker compacted away")
        end(second, moments)
        pipeline.worker().wait_ready()
        let_it_run(moments.uniform(0, 1))
    assert len(pipeline.records(changelog)) < pipeline.count(changelog) / 2
    assert_nothing_is_lost(pipeline)
