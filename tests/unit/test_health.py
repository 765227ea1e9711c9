"""What is alive and ready, and what is not."""

import json
from dataclasses import replace
from typing import Any

import pytest

from streaming.health import EventLoopWatch, Finding, Health, Vitals, polls, worker_findings

LIMIT_S, HOLD_S = 30.0, 300.0
WELL = Vitals(
    partitions=4,
    has_joined=True,
    is_restoring=False,
    polling_s=0.5,
    unanswered_s=0.1,
    unbegun_s=1.0,
    unacknowledged_s=2.0,
)


def failing(vitals: Vitals, hold_s: float = 0.0) -> list[str]:
    """Names of the checks that do not hold."""
    return [each.name for each in worker_findings(vitals, LIMIT_S, hold_s) if not each.ok]


def test_a_worker_that_works_is_ready() -> None:
    """Nothing to wait for is as well as a short wait."""
    assert failing(WELL) == []
    idle = replace(WELL, polling_s=None, unanswered_s=None, unbegun_s=None, unacknowledged_s=None)
    assert failing(idle) == []


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({"has_joined": False}, "partitions", "a rebalance goes on"),
        ({"is_restoring": True}, "tables", "being restored"),
        ({"polling_s": 31.0}, "consumer", "a poll has not ended for 31.0 s"),
        ({"unanswered_s": 31.0}, "broker", "has not answered for 31.0 s"),
        ({"unbegun_s": 31.0}, "agent", "has not taken a chunk for 31.0 s"),
        ({"unacknowledged_s": 31.0}, "progress", "a chunk is not acknowledged for 31.0 s"),
    ],
)
def test_each_way_to_be_stuck_is_named(changes: dict[str, Any], name: str, said: str) -> None:
    """By its own check, and by no other."""
    [found] = [each for each in worker_findings(replace(WELL, **changes), LIMIT_S, 0.0) if not each.ok]
    assert (found.name, found.state) == (name, said)


def test_an_agent_may_hold_chunks_where_rows_wait_for_company() -> None:
    """The publisher's do, for minutes; that it takes none is noticed as soon as of others."""
    held = replace(WELL, unacknowledged_s=320.0)
    assert failing(held) == ["progress"]
    assert failing(held, HOLD_S) == []
    assert failing(replace(held, unacknowledged_s=331.0), HOLD_S) == ["progress"]
    assert failing(replace(held, unbegun_s=31.0), HOLD_S) == ["agent"]


def test_a_worker_without_partitions_is_ready_to_get_some() -> None:
    """Else a rolling restart of more workers than partitions would never end."""
    assert failing(replace(WELL, partitions=0)) == []
    states = {each.name: each.state for each in worker_findings(replace(WELL, partitions=0), LIMIT_S, 0.0)}
    assert states["partitions"] == "others have them all"


def test_alive_is_less_than_ready() -> None:
    """Nothing that a restart does not mend."""
    away = replace(WELL, has_joined=False, is_restoring=True, unanswered_s=900.0, unacknowledged_s=900.0)
    assert polls(away, LIMIT_S).ok
    assert not polls(replace(away, polling_s=31.0), LIMIT_S).ok


def test_a_blocked_loop_is_seen_in_the_next_second() -> None:
    """While it is blocked nobody is answered."""
    now_s, delays = [100.0], list[float]()
    watch = EventLoopWatch(delays.append, lambda: now_s[0])
    for now_s[0] in (101.0, 102.25):
        watch.beat()
        assert watch.finding(LIMIT_S).ok
    now_s[0] += 1.0 + 40.0
    assert watch.finding(LIMIT_S) == Finding(name="event_loop", ok=False, state="last turn 40.000 s late")
    watch.beat()
    assert not watch.finding(LIMIT_S).ok
    now_s[0] += 1.0
    watch.beat()
    assert watch.finding(LIMIT_S).ok
    assert delays == pytest.approx([0.0, 0.25, 40.0, 0.0])


def test_health_is_json_with_a_status() -> None:
    """503 where one check does not hold."""
    well, ill = (Finding(name="store", ok=ok, state="breaker") for ok in (True, False))
    assert Health.of([well]).answer()[0] == 200
    status, body = Health.of([well, ill]).answer()
    assert status == 503
    assert json.loads(body) == {
        "ok": False,
        "checks": [
            {"name": "store", "ok": True, "state": "breaker"},
            {"name": "store", "ok": False, "state": "breaker"},
        ],
    }
