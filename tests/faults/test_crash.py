"""Workers and brokers that go away in the middle of a stream: the books balance, the table is the truth."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.local_broker.local_kafka import LocalKafka
from sources.event_file import Event
from tests.pipeline import Pipeline, location, purchase

pytestmark = pytest.mark.kafka

SEED = int(os.environ.get("FAULT_SEED", random.randrange(10_000)))
EVENTS_PER_S = 400
DEVICES = 200
STORES = ["memory", "rocksdb"]


@pytest.fixture
def moments() -> random.Random:
    """When faults happen; pytest shows the seed of a test that failed."""
    print(f"FAULT_SEED={SEED}")
    return random.Random(SEED)


def stream(seed: int = 1) -> Iterator[Event]:
    """Phones that move north and buy where they are, for ever; every purchase has an id of its own."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        now_ms = int(time.time() * 1000)
        device_id = f"phone-{chance.randrange(DEVICES)}"
        if chance.random() < 0.5:
            yield location(device_id, now_ms, lat=round(37 + number / 1e6, 6))
        else:
            yield purchase(f"t{number}", device_id, now_ms)


@contextmanager
def feeding(pipeline: Pipeline) -> Iterator[None]:
    """Send the stream while the body runs."""
    stop = threading.Event()

    def feed() -> None:
        producer = pipeline.producer()
        events = stream()
        while not stop.wait(0.01):
            for _ in range(EVENTS_PER_S // 100):
                event = next(events)
                producer.produce(
                    event.topic, event.value_bytes, key=event.key_bytes, timestamp=event.arrival_ms
                )
            producer.poll(0)
        assert producer.flush(60) == 0

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        yield
    finally:
        stop.set()
        feeder.join()


def let_it_run(seconds: float) -> None:
    """Let the stream go on for a while: here time itself is what is tested."""
    time.sleep(seconds)


def assert_nothing_is_lost(pipeline: Pipeline, timeout_s: float = 90.0) -> None:
    """Books complete; the changelog ends with the truth; so do the tables of the workers that run."""
    pipeline.wait_complete(timeout_s)
    truth = pipeline.true_table()
    assert pipeline.changelog_table() == truth
    now_ms = int(time.time() * 1000)
    pipeline.produce(purchase(f"probe-{key.decode()}", key.decode(), now_ms) for key in truth)
    pipeline.wait_complete(timeout_s)
    probed = {
        d.device_id.encode(): d.fixes[0].latitude_deg
        for d in pipeline.decisions()
        if d.transaction_id.startswith("probe-")
    }
    assert probed == {key: fix.latitude_deg for key, fix in truth.items()}


@pytest.mark.parametrize("store", STORES)
def test_a_killed_worker_that_starts_again_loses_nothing(
    pipeline: Pipeline, store: str, moments: random.Random
) -> None:
    """It gets kill -9 twice in the middle of the stream."""
    env = {"SMARTBANK_STORE": store}
    with feeding(pipeline):
        for _ in range(2):
            worker = pipeline.worker(env=env)
            worker.wait_ready()
            let_it_run(moments.uniform(1, 3))
            worker.kill()
            worker.log_path.unlink()
        pipeline.worker(env=env).wait_ready()
    assert_nothing_is_lost(pipeline)


@pytest.mark.parametrize("store", STORES)
def test_when_one_of_two_workers_is_killed_the_other_takes_over_with_the_right_state(
    pipeline: Pipeline, store: str, moments: random.Random
) -> None:
    """Its partitions move with what their tables held."""
    env = {"SMARTBANK_STORE": store}
    survivor = pipeline.worker("a", env).wait_ready()
    with feeding(pipeline):
        victim = pipeline.worker("b", env).wait_ready()
        let_it_run(moments.uniform(1, 3))
        times_ready = survivor.times_ready()
        victim.kill()
        survivor.wait_ready(times_ready + 1)
        let_it_run(1)
    assert_nothing_is_lost(pipeline)


@pytest.mark.parametrize("store", STORES)
def test_planned_stops_and_joins_repeat_nothing(
    pipeline: Pipeline, store: str, moments: random.Random
) -> None:
    """A rolling restart: each worker leaves on SIGTERM within seconds, and no decision is made twice."""
    env = {"SMARTBANK_STORE": store}
    first = pipeline.worker("a", env).wait_ready()
    with feeding(pipeline):
        let_it_run(moments.uniform(0.5, 2))
        pipeline.worker("b", env).wait_ready()
        let_it_run(moments.uniform(0.5, 2))
        assert first.terminate(timeout_s=10) == 0
        let_it_run(moments.uniform(0.5, 2))
        pipeline.worker("c", env).wait_ready()
    assert_nothing_is_lost(pipeline)
    decided = [d.transaction_id for d in pipeline.decisions()]
    assert len(decided) == len(set(decided))


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_that_goes_away_and_comes_back_costs_nothing(
    own_kafka: LocalKafka, tmp_path: Path, signal_number: signal.Signals, moments: random.Random
) -> None:
    """The worker goes on where it was; its log stays readable meanwhile."""
    started = own_kafka.start()
    with Pipeline(started.address, tmp_path) as pipeline:
        pipeline.create_topics()
        worker = pipeline.worker().wait_ready()
        with feeding(pipeline):
            let_it_run(moments.uniform(1, 3))
            if signal_number == signal.SIGTERM:
                own_kafka.stop()
            else:
                os.kill(started.pid, signal.SIGKILL)
            let_it_run(3)
            own_kafka.start()
            let_it_run(1)
        assert_nothing_is_lost(pipeline)
        assert worker.process.poll() is None
        assert len(worker.log.splitlines()) < 2000


@pytest.mark.parametrize("store", STORES)
def test_state_of_topics_that_were_deleted_and_made_again_is_not_taken_for_the_new_ones(
    pipeline: Pipeline, store: str
) -> None:
    """Somebody starts over with topics, but not with the state directory."""
    env = {"SMARTBANK_STORE": store}
    now_ms = int(time.time() * 1000)
    pipeline.produce(location(f"old-{n}", now_ms) for n in range(100))
    worker = pipeline.worker("a", env).wait_ready()
    pipeline.wait_complete()
    assert worker.terminate() == 0
    pipeline.delete_all_topics(pipeline.bootstrap)
    pipeline.create_topics()
    pipeline.produce(location(f"new-{n}", now_ms) for n in range(20))
    pipeline.worker("b", env).wait_ready()
    assert_nothing_is_lost(pipeline)
    pipeline.produce([purchase("old", "old-1", now_ms)])
    pipeline.wait_complete()
    assert {d.transaction_id: d.verdict for d in pipeline.decisions()}["old"] == "no_location"


def test_an_output_that_the_broker_refuses_ends_the_worker_with_nothing_committed_over(
    pipeline: Pipeline,
) -> None:
    """Stock Faust logs it at most, and commits: the verdict is lost."""
    now_ms = int(time.time() * 1000)
    pipeline.alter_topic(pipeline.topics.transaction_decisions.name, "max.message.bytes", "100")
    worker = pipeline.worker().wait_ready()
    pipeline.produce([location("phone", now_ms), purchase("t1", "phone", now_ms + 1)])
    assert worker.process.wait(60) == 1
    assert "MessageSizeTooLarge" in worker.log
    pipeline.alter_topic(pipeline.topics.transaction_decisions.name, "max.message.bytes", "1048588")
    pipeline.worker("again").wait_ready()
    pipeline.wait_complete()
    assert [d.transaction_id for d in pipeline.decisions()] == ["t1"]
