"""A broker that goes away, comes back, or takes its time."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.local_broker.local_kafka import LocalKafka
from tests.faults.stream import (
    assert_no_decision_was_made_twice,
    assert_nothing_is_lost,
    feeding,
    let_it_run,
)
from tests.faults.supervisor import Supervisor
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka

READABLE_LINES = 2000


def test_a_broker_that_goes_away_and_comes_back_costs_nothing(
    own_kafka: LocalKafka, own_pipeline: Pipeline, moments: random.Random
) -> None:
    """Stopped or killed: the worker goes on where it was; its log stays readable meanwhile."""
    worker = own_pipeline.worker().wait_ready()
    with feeding(own_pipeline):
        let_it_run(moments.uniform(0.2, 2))
        if moments.random() < 0.5:
            own_kafka.stop()
        else:
            os.kill(pid_of(own_kafka), signal.SIGKILL)
        let_it_run(moments.uniform(0, 4))
        own_kafka.start()
        let_it_run(1)
    assert_nothing_is_lost(own_pipeline)
    assert worker.process.poll() is None
    assert len(worker.log.splitlines()) < READABLE_LINES


def test_a_broker_that_stutters_costs_nothing(
    own_kafka: LocalKafka, own_pipeline: Pipeline, moments: random.Random
) -> None:
    """It answers nobody for seconds, again and again, but is back within the session: nothing is repeated."""
    worker = own_pipeline.worker().wait_ready()
    with feeding(own_pipeline):
        for _ in range(3):
            let_it_run(moments.uniform(0.2, 1))
            with frozen(own_kafka):
                let_it_run(moments.uniform(1, 3))
    assert_nothing_is_lost(own_pipeline)
    assert_no_decision_was_made_twice(own_pipeline)
    assert worker.process.poll() is None


def test_a_broker_that_is_silent_for_longer_than_requests_and_sessions_last_loses_nothing(
    own_kafka: LocalKafka, own_pipeline: Pipeline, moments: random.Random
) -> None:
    """A worker may give it up, with status 1; whoever starts it again finds everything."""
    own_pipeline.configure(request_timeout_s=4, session_timeout_s=3)
    with Supervisor(own_pipeline) as supervisor:
        supervisor.start(2)
        with feeding(own_pipeline):
            let_it_run(moments.uniform(0.2, 2))
            with frozen(own_kafka):
                let_it_run(moments.uniform(5, 9))
        assert_nothing_is_lost(own_pipeline)


@contextmanager
def frozen(broker: LocalKafka) -> Iterator[None]:
    """Let the broker do nothing while the body runs: connections stay, answers do not come."""
    pid = pid_of(broker)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(broker: LocalKafka) -> int:
    """Its process."""
    pid = broker.status().pid
    assert pid is not None
    return pid
