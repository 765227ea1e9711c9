"""Workers that die, join and leave in the middle of a stream: nothing is lost, and nothing done twice."""

import random
import time
from itertools import islice

import pytest

from tests.faults.stream import (
    assert_no_decision_was_made_twice,
    assert_nothing_is_lost,
    feeding,
    let_it_run,
    phones,
    plain_pass,
    wait_for_members,
)
from tests.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.kafka


def test_a_killed_worker_that_starts_again_loses_nothing(pipeline: Pipeline, moments: random.Random) -> None:
    """It gets kill -9 twice in the middle of the stream."""
    pipeline.configure(session_timeout_s=3)
    with feeding(pipeline):
        for _ in range(2):
            worker = pipeline.worker().wait_ready()
            let_it_run(moments.uniform(0.2, 2))
            worker.kill()
        pipeline.worker().wait_ready()
    assert_nothing_is_lost(pipeline)


def test_when_one_of_two_workers_is_killed_the_other_takes_over_with_the_right_state(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """Its partitions move with what their tables held."""
    pipeline.configure(session_timeout_s=3)
    survivor, victim = pipeline.worker(), pipeline.worker()
    with feeding(pipeline):
        wait_for_members(pipeline, 2)
        victim.wait_ready()
        let_it_run(moments.uniform(0.2, 2))
        times_ready = survivor.wait_ready().times_ready()
        victim.kill()
        survivor.wait_ready(times_ready + 1)
        let_it_run(0.5)
    assert_nothing_is_lost(pipeline)


def test_a_rolling_restart_of_three_workers_repeats_and_loses_nothing(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """Each is replaced in turn, under load: SIGTERM ends it within seconds, with status 0."""
    old = [pipeline.worker() for _ in range(3)]
    wait_for_members(pipeline, 3)
    with feeding(pipeline):
        for worker in old:
            worker.wait_ready()
        for worker in old:
            let_it_run(moments.uniform(0, 1))
            replacement = pipeline.worker()
            let_it_run(moments.uniform(0, 3))  # it may have joined by then, be joining, or not
            assert worker.terminate(timeout_s=15) == 0
            replacement.wait_ready()
    assert_nothing_is_lost(pipeline)
    assert_no_decision_was_made_twice(pipeline)


def test_rebalances_in_quick_succession_repeat_and_lose_nothing(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """Workers join and leave while others still restore what the last rebalance gave them."""
    lasting = pipeline.worker().wait_ready()
    with feeding(pipeline):
        passing = []
        for _ in range(3):
            passing.append(pipeline.worker())
            let_it_run(moments.uniform(0, 1))
        wait_for_members(pipeline, 1 + len(passing))
        moments.shuffle(passing)
        for worker in passing:
            let_it_run(moments.uniform(0, 2))
            assert worker.terminate(timeout_s=15) == 0
        wait_for_members(pipeline, 1)
    assert lasting.process.poll() is None
    assert_nothing_is_lost(pipeline)
    assert_no_decision_was_made_twice(pipeline)


def test_workers_that_are_told_to_stop_while_partitions_move_end_well(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """Each SIGTERM comes while the rest still take over from the one before."""
    workers = [pipeline.worker() for _ in range(3)]
    with feeding(pipeline):
        wait_for_members(pipeline, len(workers))
        for worker in workers:
            worker.wait_ready()
        statuses = []
        for worker in workers:
            statuses.append(worker.terminate(timeout_s=15))
            let_it_run(moments.uniform(0, 0.6))
    assert statuses == [0, 0, 0]
    pipeline.worker().wait_ready()
    assert_nothing_is_lost(pipeline)
    assert_no_decision_was_made_twice(pipeline)


BACKLOG = 24_000


def test_over_planned_rebalances_every_decision_equals_that_of_a_plain_pass(
    pipeline: Pipeline, moments: random.Random
) -> None:
    """Verdict and evidence of every purchase, whoever made it.

    All lies in the topics before it is read, so that its order is that of time. Small chunks make it last.
    """
    pipeline.configure(chunk_max_records=2)
    start_ms = int(time.time() * 1000) - BACKLOG
    pipeline.produce(islice(phones(start_ms=start_ms, shop_lat=None), BACKLOG))
    first, second = pipeline.worker(), pipeline.worker()
    wait_until(lambda: pipeline.count(pipeline.topics.transaction_decisions) > 0, 60, "a decision")
    let_it_run(moments.uniform(0, 2))
    assert moments.choice([first, second]).terminate(timeout_s=15) == 0
    third = pipeline.worker()
    pipeline.wait_complete()
    decisions = pipeline.decisions()
    assert len(decisions) == len({d.transaction_id for d in decisions})
    assert {d.transaction_id: d for d in decisions} == plain_pass(pipeline)
    assert third.wait_ready().process.poll() is None
