"""Workers that were taken for dead come back and find that others own their partitions."""

import random
from contextlib import suppress
from itertools import islice

import pytest

from tests.faults.stream import assert_nothing_is_lost, feeding, let_it_run, phones, wait_for_members
from tests.faults.supervisor import Supervisor
from tests.pipeline import Pipeline, wait_until

pytestmark = pytest.mark.kafka

# Few fixes of many devices: a row that is overwritten stays so. Purchases show how far the workers are.
BACKLOG = 40_000
DEVICES = 4000
LOCATION_SHARE = 0.9


def test_a_worker_that_wakes_after_its_session_ended_writes_over_nothing(
    pipeline: Pipeline, supervisor: Supervisor, moments: random.Random
) -> None:
    """One of two, or two of three: with chunks and rows in hand that are older than what others wrote since.

    The truth must hold where the partitions are then, in the changelog, and where everything starts again
    from the changelog and the directories that all of them left, the zombie's among them.
    """
    workers = moments.choice([2, 3])
    zombies = workers - 1
    pipeline.configure(session_timeout_s=3)
    supervisor.start(workers)
    wait_for_members(pipeline, workers)
    frozen = moments.sample(supervisor.workers, zombies)
    pipeline.produce(islice(phones(devices=DEVICES, location_share=LOCATION_SHARE), BACKLOG))
    part = moments.uniform(0.02, 0.6) * BACKLOG * (1 - LOCATION_SHARE)
    decisions = pipeline.topics.transaction_decisions
    wait_until(lambda: pipeline.count(decisions) >= part, 60, "a part of the backlog decided")
    for worker in frozen:
        worker.freeze()
    wait_for_members(pipeline, workers - zombies)
    if moments.random() < 0.75:  # else it wakes while the new owner still works
        wait_until(pipeline.is_read_to_the_end, 60, "the backlog decided by the others")
    let_it_run(moments.uniform(0, 1))
    with feeding(pipeline, phones(devices=20, seed=2), events_per_s=100):
        for worker in frozen:
            worker.thaw()
        let_it_run(1)
        wait_for_members(pipeline, workers)
    with suppress(TimeoutError):  # an owner that finds a zombie's rows has some time to repair them
        wait_until(lambda: pipeline.changelog_table() == pipeline.true_table(), 30, "changelog repaired")
    assert_nothing_is_lost(pipeline)
    for worker in supervisor.workers:
        supervisor.release(worker).terminate()  # test_workers.py says how it must end
    supervisor.start(workers)
    assert_nothing_is_lost(pipeline)
