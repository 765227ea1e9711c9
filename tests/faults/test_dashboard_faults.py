"""The live page while its broker is away: it says so, and goes on where it was."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from app.local_broker.local_kafka import LocalKafka
from tests.page import running_page, until
from tests.pipeline import Pipeline, location

pytestmark = pytest.mark.kafka


def test_a_killed_broker_is_told_and_then_read_on(own_kafka: LocalKafka, tmp_path: Path) -> None:
    """The board stays as it was meanwhile."""
    address = own_kafka.start().address
    with Pipeline(address, tmp_path) as pipeline, running_page(address, tmp_path) as page:
        pipeline.create_topics()
        page.wait_ready()
        pipeline.produce([location("one", int(time.time() * 1000))])
        with closing(page.stream()) as events:
            until(events, b'"one"')
            os.kill(own_kafka.start().pid, signal.SIGKILL)
            assert b"one" not in until(events, b'"kafka":"away"')
            own_kafka.start()
            until(events, b'"kafka":"up"', timeout_s=60)
            pipeline.produce([location("two", int(time.time() * 1000))])
            assert b'"one"' not in until(events, b'"two"', timeout_s=60)
