"""The profile `envelope` on a real Kafka: the worker's final decisions are those of `replay`."""

import time
from collections.abc import Callable

import msgspec
import pytest

from app.settings import PROJECT_DIR
from sources.event_file import Event, read_events
from tests.faults.stream import wait_for_members
from tests.pipeline import Pipeline, location, purchase, simulated_events, wait_until
from tests.verdicts import closing, finals, replayed

pytestmark = pytest.mark.kafka

LABELLED = PROJECT_DIR.parent / "shared" / "data" / "labelled" / "events.jsonl.gz"
FAR_LAT = 38.5


@pytest.fixture
def envelope(pipeline: Pipeline) -> Pipeline:
    """Workers of the default profile."""
    pipeline.configure(profile="envelope", web_port=0)
    return pipeline


def simulated() -> list[Event]:
    """A seeded stream that the project makes itself."""
    return simulated_events(seed=11, devices=20, duration_s=900.0)


def labelled() -> list[Event]:
    """Real GPS tracks with purchases on and off them."""
    if not LABELLED.exists():
        pytest.skip("the labelled events are not part of the project, and not beside it")
    return list(read_events(LABELLED))


@pytest.mark.parametrize(
    ("events_of", "workers", "store"),
    [(simulated, 2, "memory"), (labelled, 1, "rocksdb"), (labelled, 2, "rocksdb")],
)
def test_final_decisions_on_a_backlog_equal_those_of_replay(
    envelope: Pipeline, events_of: Callable[[], list[Event]], workers: int, store: str
) -> None:
    """Verdict and evidence of every transaction, with one worker and with two."""
    events = events_of()
    envelope.configure(store=store)
    envelope.produce([*events, *closing(envelope, events)])
    for _ in range(workers):
        envelope.worker()
    envelope.wait_complete(120)
    expected = replayed(envelope, events)
    assert len(expected) > 500
    assert finals(envelope.decisions()) == expected


@pytest.mark.parametrize("events_of", [simulated, labelled])
def test_final_decisions_on_a_live_stream_equal_those_of_replay(
    envelope: Pipeline, events_of: Callable[[], list[Event]]
) -> None:
    """Hours pass in seconds here: a side that is read to its end waits a little for the other."""
    envelope.configure(max_idle_s=1.0)
    events = events_of()
    for _ in range(2):
        envelope.worker()
    wait_for_members(envelope, 2)
    everything = [*events, *closing(envelope, events)]
    for start in range(0, len(everything), 500):
        envelope.produce(everything[start : start + 500])
    envelope.wait_complete(120)
    assert finals(envelope.decisions()) == replayed(envelope, events)


def test_a_verdict_is_told_at_once_revised_and_final_after_the_silence(envelope: Pipeline) -> None:
    """As the clock on the wall has it, where nothing comes any more."""
    envelope.configure(grace_period_s=3)
    worker = envelope.worker().wait_ready()
    decisions, alerts = envelope.topics.transaction_decisions, envelope.topics.potential_fraud
    now_ms = int(time.time() * 1000)
    envelope.produce([location("phone", now_ms - 120_000), purchase("t", "phone", now_ms, lat=FAR_LAT)])
    wait_until(lambda: envelope.count(decisions) == 1, 10, "a first verdict")
    envelope.produce(
        msgspec.structs.replace(location("phone", now_ms - back_ms, lat=FAR_LAT), arrival_ms=now_ms)
        for back_ms in (20_000, 10_000, 0)
    )
    wait_until(lambda: envelope.count(decisions) == 3, 20, "a revision and a final verdict")
    envelope.wait_complete()
    assert [(d.revision, d.stage, d.verdict) for d in envelope.decisions()] == [
        (1, "provisional", "flagged"),
        (2, "provisional", "cleared"),
        (3, "final", "cleared"),
    ]
    events = [msgspec.json.decode(record.value)["event"] for record in envelope.records(alerts)]
    assert events == ["flagged", "retracted"]
    assert worker.process.poll() is None


def test_open_transactions_survive_a_restart(envelope: Pipeline) -> None:
    """From the changelog alone: the second worker has no directory."""
    envelope.configure(grace_period_s=4, store="memory")
    now_ms = int(time.time() * 1000)
    first = envelope.worker().wait_ready()
    envelope.produce([location("phone", now_ms), purchase("t", "phone", now_ms + 1)])
    wait_until(lambda: envelope.count(envelope.topics.cases_changelog) == 1, 10, "an open case")
    assert first.terminate() == 0
    envelope.worker().wait_ready()
    envelope.wait_complete(30)
    first_verdict, final = envelope.decisions()
    assert (first_verdict.stage, final.stage) == ("provisional", "final")
    assert msgspec.structs.replace(final, stage="provisional", revision=1) == first_verdict
