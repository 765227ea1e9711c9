"""`explain` on a real Kafka: what a worker decided, and where the phone was."""

import time
from pathlib import Path

import msgspec
import pytest

from models.decision import Decision
from tests.integration.commands import environment, run
from tests.pipeline import Pipeline, location, purchase, wait_until

pytestmark = pytest.mark.kafka


def test_decisions_of_a_worker_are_explained_after_it_has_gone(pipeline: Pipeline, tmp_path: Path) -> None:
    """A flag, a device that was never seen, a record that was refused, an id that nobody knows.

    The phone's first location lies under another key: the worker has moved it.
    """
    pipeline.configure(profile="envelope", grace_period_s=2)
    now_ms = int(time.time() * 1000) - 60_000
    pipeline.produce([msgspec.structs.replace(location("phone", now_ms - 42_000), key="another")])
    worker = pipeline.worker().wait_ready()
    wait_until(lambda: pipeline.count(pipeline.topics.tracks_changelog) > 0, 30, "the location is known")
    pipeline.produce(
        [
            location("somebody else", now_ms - 1000, lat=10.0),
            purchase("far", "phone", now_ms, lat=37.44),
            purchase("unknown", "never-seen", now_ms + 1),
            purchase("bad", "phone", now_ms + 2, Amount="much"),
            location("phone", now_ms + 1000),
        ]
    )

    def is_final() -> bool:
        finals = {d.transaction_id for d in pipeline.decisions() if d.stage == "final"}
        return finals >= {"far", "unknown"} and pipeline.count(pipeline.topics.dead_letters) > 0

    wait_until(is_final, 60, "both decisions are final")
    assert worker.terminate() == 0
    pipeline.produce([location("phone", now_ms + 601_000, lat=20.0)])  # more than ten minutes on: no evidence
    (final,) = (d for d in pipeline.decisions() if d.transaction_id == "far" and d.stage == "final")
    ends = pipeline.end_offsets(pipeline.topics.transaction_decisions)

    env = environment(pipeline.bootstrap)
    plot = tmp_path / "far.html"
    for more in ((), ("--device", "phone", "--plot", str(plot))):
        told = run(env, "explain", "far", *more)
        assert told.returncode == 0, told.stderr
        assert_tells_why(told.stdout, final)
    assert plot.stat().st_size > 20_000

    told = run(env, "explain", "unknown")
    assert (told.returncode, told.stderr) == (0, "")
    assert "no location (final" in told.stdout
    assert "No location of this device had ever arrived. [device_never_seen]" in told.stdout

    told = run(env, "explain", "bad")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("bad: no verdict. Its record, transaction_data[")
    assert "was put aside as malformed" in told.stdout

    told = run(env, "explain", "nobody")
    assert told.returncode == 1
    assert told.stderr.startswith("error: no decision on transaction 'nobody' in transaction_decisions at ")
    assert told.stderr.count("\n") == 1
    assert pipeline.end_offsets(pipeline.topics.transaction_decisions) == ends


def assert_tells_why(said: str, final: Decision) -> None:
    """The flag with its evidence: both locations of the phone, and nobody else's."""
    assert f"transaction far: flagged (final, revision {final.revision}, profile envelope version 1)" in said
    assert "[beyond_reach_of_fix_before]" in said
    assert f"{final.required_m:,.1f} m" in said
    rows = [line for line in said.splitlines() if "37.330000, -121.890000" in line]
    assert sorted(line.split()[1] for line in rows) == ["decisive", "used"]
    assert any("-42.0 s" in line for line in rows)
    assert any("+1.0 s" in line for line in rows)
    assert "20.000000" not in said
    assert "10.000000" not in said


def test_without_topics_it_says_how_to_make_them(fresh_kafka: str) -> None:
    """And creates none."""
    told = run(environment(fresh_kafka), "explain", "far")
    assert told.returncode == 1
    assert "no topic transaction_decisions at " in told.stderr
    assert "topics create" in told.stderr
