"""A broker that goes away, comes back, or takes its time."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.local_broker.config import any_free_port
from app.local_broker.local_kafka import LocalKafka
from tests.faults.stream import (
    assert_no_decision_was_made_twice,
    assert_nothing_is_lost,
    feeding,
    let_it_run,
)
from tests.faults.supervisor import Supervisor
from tests.pages import Pages
from tests.pipeline import Pipeline, simulated_events, wait_until
from tests.promtool import problems_of

pytestmark = pytest.mark.kafka

READABLE_LINES = 2000
READY_S = 60.0


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


def test_a_worker_is_not_ready_while_its_broker_is_silent(
    own_kafka: LocalKafka, own_pipeline: Pipeline
) -> None:
    """It is alive, since a restart would mend nothing; and ready again when the broker answers."""
    port = any_free_port()
    own_pipeline.configure(web_port=port, stuck_after_s=1, session_timeout_s=30)
    pages, worker = Pages(port), own_pipeline.worker()
    wait_until(pages.is_ready, READY_S, "ready")
    own_pipeline.produce(simulated_events(seed=1, duration_s=60.0))
    wait_until(own_pipeline.is_read_to_the_end, READY_S, "read")
    page = pages.metrics()
    assert problems_of(page) == ""
    assert b'smartbank_consumer_lag_records{partition="0",topic="location_data"} 0.0' in page
    assert b'smartbank_health_check_ok{check="broker"} 1.0' in page
    with frozen(own_kafka):
        wait_until(lambda: "broker" in pages.failing(), READY_S, "not ready")
        assert pages.health("/livez")["ok"]
    wait_until(pages.is_ready, READY_S, "ready again")
    worker.freeze()
    assert pages.health("/livez") == {}, "nobody answers where the event loop does not turn"
    worker.thaw()
    wait_until(pages.is_ready, READY_S, "ready once more")
    assert worker.terminate() == 0


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
