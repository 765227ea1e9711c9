"""Outputs that the broker refuses: the worker ends, and nothing is committed over them."""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.faults.stream import assert_nothing_is_lost, feeding, let_it_run
from tests.pipeline import Pipeline, Worker, location, purchase
from tests.secured_kafka import SecuredKafka

pytestmark = pytest.mark.kafka


def test_an_output_that_is_too_large_ends_the_worker_with_nothing_committed_over(pipeline: Pipeline) -> None:
    """Stock Faust logs it at most, and commits: the verdict is lost."""
    now_ms = int(time.time() * 1000)
    pipeline.alter_topic(pipeline.topics.transaction_decisions.name, {"max.message.bytes": "100"})
    worker = pipeline.worker().wait_ready()
    pipeline.produce([location("phone", now_ms), purchase("t1", "phone", now_ms + 1)])
    assert worker.process.wait(60) == 1
    assert "MessageSizeTooLarge" in worker.log
    pipeline.alter_topic(pipeline.topics.transaction_decisions.name, {"max.message.bytes": "1048588"})
    pipeline.worker().wait_ready()
    pipeline.wait_complete()
    assert [d.transaction_id for d in pipeline.decisions()] == ["t1"]


DENIED = (
    "transaction_decisions",
    ResourcePatternType.LITERAL,
    "User:faust",
    "*",
    AclOperation.WRITE,
    AclPermissionType.DENY,
)


@dataclass(frozen=True, slots=True)
class Guarded:
    """A pipeline on a broker with ACLs, seen by its administrator, whose worker may lose a right."""

    pipeline: Pipeline
    worker_env: Mapping[str, str]
    admin: AdminClient

    def worker(self) -> Worker:
        """Start a worker with its own rights."""
        return self.pipeline.worker(env=self.worker_env).wait_ready()

    def take_the_right_to_write_decisions(self) -> None:
        """From now on the broker refuses them."""
        for changed in self.admin.create_acls([AclBinding(ResourceType.TOPIC, *DENIED)]).values():
            changed.result()

    def give_it_back(self) -> None:
        """From now on it takes them again."""
        for changed in self.admin.delete_acls([AclBindingFilter(ResourceType.TOPIC, *DENIED)]).values():
            changed.result()


@pytest.fixture
def guarded(secured: SecuredKafka, tmp_path: Path, store: str) -> Iterator[Guarded]:
    """Empty topics, and a worker that may do what docs/kafka_security.md says."""
    options = secured.librdkafka_options("admin", "sasl_ssl") | {"log_level": 2}
    address = secured.address("sasl_ssl")
    Pipeline.delete_all_topics(address, options)
    with Pipeline(address, tmp_path, secured.settings("admin", "sasl_ssl")) as pipeline:
        pipeline.create_topics()
        pipeline.configure(store=store, web_port=0)
        yield Guarded(pipeline, secured.settings("faust", "sasl_ssl"), AdminClient(options))


def test_a_right_that_is_taken_away_ends_the_worker_with_nothing_committed_over(
    guarded: Guarded, moments: random.Random
) -> None:
    """Given back, everything is decided."""
    pipeline = guarded.pipeline
    worker = guarded.worker()
    with feeding(pipeline):
        let_it_run(moments.uniform(0.2, 2))
        guarded.take_the_right_to_write_decisions()
        assert worker.process.wait(60) == 1
        let_it_run(0.5)
    assert "TopicAuthorizationFailed" in worker.log
    assert not pipeline.reconcile().missing
    guarded.give_it_back()
    guarded.worker()
    assert_nothing_is_lost(pipeline)
