"""`reconcile` proves the books from real topics, and is not to be fooled by a worker that lies.

Mostly no worker runs: the tests write what one would write, and commit what it would commit.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.connection import connection_of
from app.settings import Settings
from app.topic_admin import create_topics
from app.topics import topics_of
from models.dead_letter import DeadLetter
from models.latest_location import LatestLocation
from tests.integration.commands import commit, environment, produce, run
from tests.pipeline import Pipeline, simulated_events

pytestmark = pytest.mark.kafka

TOPICS = topics_of(Settings())
GROUP = Settings().app_id
ROW = msgspec.msgpack.encode(
    LatestLocation(datetime(1970, 1, 1, tzinfo=UTC), latitude_deg=1.5, longitude_deg=-2.0)
)

Record = dict[str, Any]


def location(device_id: str, topic: str = "location_data", **more: Any) -> Record:
    """A location as an argument of `produce`."""
    value = {"DeviceId": device_id, "Time": "2026-01-01T12:00Z", "Latitude": 1.0, "Longitude": 2.0}
    return {
        "topic": topic,
        "partition": 0,
        "key": device_id.encode(),
        "value": json.dumps(value).encode(),
        **more,
    }


def purchase(transaction_id: str, device_id: str = "d") -> Record:
    """A transaction, with a time that only the fallback of the decoder reads."""
    value = {
        "Transaction ID": transaction_id,
        "Device ID": device_id,
        "Timestamp": "2026-01-01T12:00Z",
        "Amount": 1.0,
        "Location Latitude": "1.0",
        "Location Longitude": "2.0",
    }
    return {
        "topic": "transaction_data",
        "partition": 0,
        "key": device_id.encode(),
        "value": json.dumps(value).encode(),
    }


def decision(transaction_id: str, verdict: str, revision: int = 1, stage: str = "final") -> Record:
    """What the books read of a decision."""
    value = {"transaction_id": transaction_id, "verdict": verdict, "stage": stage, "revision": revision}
    return {"topic": TOPICS.transaction_decisions.name, "key": b"d", "value": json.dumps(value).encode()}


def alert(transaction_id: str) -> Record:
    """What the books read of a flagged transaction."""
    value = json.dumps({"transaction_id": transaction_id}).encode()
    return {"topic": TOPICS.potential_fraud.name, "key": b"d", "value": value}


def row(device_id: str, value: bytes | None = ROW) -> Record:
    """A row of the state; None deletes it."""
    return {
        "topic": TOPICS.latest_locations_changelog.name,
        "partition": 0,
        "key": device_id.encode(),
        "value": value,
    }


def dead_letter(topic: str, offset: int) -> Record:
    """The dead letter of topic[0]:offset."""
    letter = DeadLetter.of(
        reason_code="malformed",
        reason="not JSON",
        topic=topic,
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=None,
        value=b"{",
    )
    return {"topic": TOPICS.dead_letters.name, "value": letter.value, "headers": letter.headers}


def copy_of(topic: str, offset: int, device_id: str) -> Record:
    """A re-keyed location with its origin."""
    headers = [
        ("source_topic", topic.encode()),
        ("source_partition", b"0"),
        ("source_offset", str(offset).encode()),
    ]
    return location(device_id, TOPICS.location_repartition.name, headers=headers)


INPUTS = [
    location("d"),
    {"topic": "location_data", "partition": 0, "value": b"{"},
    location("moved", key=b"wrong"),
    copy_of("location_data", 2, "moved"),
    purchase("far"),
    purchase("near"),
    purchase("far"),
]
OUTPUTS = {
    "the state of d": row("d"),
    "the state of moved": row("moved"),
    "the dead letter": dead_letter("location_data", 1),
    "the decision far": decision("far", "flagged"),
    "the alert far": alert("far"),
    "the decision near": decision("near", "cleared"),
}
COMMITS = {
    ("location_data", 0): 3,
    (TOPICS.location_repartition.name, 0): 1,
    ("transaction_data", 0): 3,
}


@pytest.fixture
def env(fresh_kafka: str) -> dict[str, str]:
    """The environment of a command on a broker with our topics."""
    connection = connection_of(Settings(kafka_bootstrap=fresh_kafka))
    asyncio.run(create_topics(connection, TOPICS.all, partitions=4, replication_factor=1))
    return environment(fresh_kafka)


def books(env: dict[str, str], *options: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report of `reconcile --json`."""
    done = run(env, "reconcile", "--json", *options)
    assert done.stdout, done.stderr
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_what_an_honest_worker_leaves_balances(env: dict[str, str], fresh_kafka: str) -> None:
    """Each kind of record, counted where it lies; the table says the same as the JSON."""
    produce(fresh_kafka, [*INPUTS, *OUTPUTS.values()])
    commit(fresh_kafka, GROUP, COMMITS)
    status, report = books(env, "--complete")
    assert status == 0, report
    counts = {topic: {k: n for k, n in t.items() if n} for topic, t in report["topics"].items()}
    assert counts == {
        "location_data": {"records": 3, "locations": 1, "dead_letters": 1, "re_keyed": 1},
        TOPICS.location_repartition.name: {"records": 1, "locations": 1},
        "transaction_data": {"records": 3, "flagged": 1, "cleared": 1, "repeats": 1},
        TOPICS.transaction_repartition.name: {},
    }
    printed = run(env, "reconcile", "--complete")
    assert printed.returncode == 0
    assert printed.stdout.endswith("books balance\n")


def test_no_input_balances_and_says_that_there_is_none(env: dict[str, str]) -> None:
    """0 = 0, without a group."""
    status, report = books(env, "--complete")
    assert (status, report["notes"]) == (0, ["the input topics are empty: 0 = 0"])


def test_input_that_no_worker_read_does_not_balance(env: dict[str, str], fresh_kafka: str) -> None:
    """Neither without a group, nor with one that has committed where it starts, nor with half of it."""
    produce(fresh_kafka, INPUTS)
    status, report = books(env)
    assert status == 1
    assert "has never committed an offset of location_data[0]" in report["objections"][0]
    commit(fresh_kafka, GROUP, dict.fromkeys(COMMITS, 0))
    status, report = books(env)
    assert status == 1
    assert "has read nothing" in report["objections"][0]


@pytest.mark.parametrize("lie", OUTPUTS)
def test_a_worker_that_commits_without_its_output_is_found(
    env: dict[str, str], fresh_kafka: str, lie: str
) -> None:
    """Each output in turn is the one that was lost."""
    produce(fresh_kafka, [*INPUTS, *(record for name, record in OUTPUTS.items() if name != lie)])
    commit(fresh_kafka, GROUP, COMMITS)
    status, report = books(env)
    assert status == 1
    places = {
        "the state of d": "location_data[0]:0",
        "the state of moved": f"{TOPICS.location_repartition.name}[0]:0",
        "the dead letter": "location_data[0]:1",
        "the decision far": "transaction_data[0]:0",
        "the alert far": "transaction far",
        "the decision near": "transaction_data[0]:1",
    }
    assert any(places[lie] in line for line in report["missing"] + report["unexplained"])


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        (lambda: decision("ghost", "cleared"), "decision on transaction ghost, which is in no input"),
        (lambda: alert("near"), "alert on transaction near, which was never flagged"),
        (lambda: row("d", None), "location_data[0]:0: no location of its device in the state"),
        (lambda: {**decision("x", "cleared"), "value": b"?"}, "cannot be read as what belongs there"),
    ],
    ids=["orphan decision", "false alert", "deleted state", "garbage"],
)
def test_a_forged_output_is_found(
    env: dict[str, str], fresh_kafka: str, forged: Callable[[], Record], said: str
) -> None:
    """What no input explains, and what undoes an output."""
    produce(fresh_kafka, [*INPUTS, *OUTPUTS.values(), forged()])
    commit(fresh_kafka, GROUP, COMMITS)
    status, report = books(env)
    assert status == 1
    assert any(said in line for line in report["missing"] + report["unexplained"])


def test_unread_and_open_balance_until_completeness_is_asked_for(
    env: dict[str, str], fresh_kafka: str
) -> None:
    """Revision 1 is provisional; one more transaction is decided, but not committed."""
    provisional = {**OUTPUTS, "the decision near": decision("near", "cleared", stage="provisional")}
    produce(fresh_kafka, [*INPUTS, purchase("new"), *provisional.values(), decision("new", "flagged")])
    commit(fresh_kafka, GROUP, COMMITS)
    status, report = books(env)
    assert status == 0, report
    assert (report["total"]["not_yet_read"], report["total"]["open"]) == (1, 1)
    assert books(env, "--complete")[0] == 1
    produce(fresh_kafka, [decision("near", "cleared", revision=2), alert("new")])
    commit(fresh_kafka, GROUP, {("transaction_data", 0): 4})
    assert books(env, "--complete")[0] == 0


def test_a_running_worker_never_makes_it_fail(pipeline: Pipeline) -> None:
    """Outputs and commits move on while the books are read, in whatever order."""
    pipeline.produce(simulated_events(seed=1, duration_s=60))
    pipeline.worker().wait_ready()
    pipeline.wait_complete()
    seen_unread = 0
    for seed in (2, 3, 4):
        pipeline.produce(simulated_events(seed=seed, devices=50, duration_s=2000))
        for _ in range(2):
            report = pipeline.reconcile()
            assert report.balances(complete=False), report
            seen_unread += bool(report.total.not_yet_read)
    assert seen_unread, "the worker was never behind: this proved nothing"
    pipeline.wait_complete()
