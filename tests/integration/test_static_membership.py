"""A worker with a name of its own in the group comes back to its partitions without a rebalance."""

import time

import pytest

from tests.pipeline import Pipeline, location, purchase

pytestmark = pytest.mark.kafka

SESSION_TIMEOUT_S = 40
QUICKER_THAN_THE_SESSION_S = 36.0


def test_a_named_worker_that_was_killed_is_back_before_its_session_ends(pipeline: Pipeline) -> None:
    """An unnamed one would wait until the broker has given up its predecessor (KIP-345)."""
    env = {"SMARTBANK_INSTANCE_ID": "one", "SMARTBANK_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S)}
    now_ms = int(time.time() * 1000)
    worker = pipeline.worker(env=env).wait_ready()
    pipeline.produce([location("phone", now_ms), purchase("before", "phone", now_ms + 1)])
    pipeline.wait_complete()
    worker.kill()
    pipeline.produce([purchase("meanwhile", "phone", now_ms + 2)])
    pipeline.worker(env=env).wait_ready(timeout_s=QUICKER_THAN_THE_SESSION_S)
    pipeline.wait_complete()
    assert {d.transaction_id for d in pipeline.decisions()} == {"before", "meanwhile"}
