"""`topics create|verify|describe` on a real broker."""

import asyncio
import json

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from app.connection import connection_of
from app.settings import Settings
from app.topic_admin import CreatedTopics, check_topics, create_topics
from app.topics import topics_of
from streaming.errors import CoPartitionError, RetryableError
from tests.integration.commands import environment, run

pytestmark = pytest.mark.kafka

TOPICS = topics_of(Settings())
NAMES = {topic.name for topic in TOPICS.all}


def make_topic(bootstrap: str, name: str, partitions: int, **config: str) -> None:
    """Create one topic by hand."""

    async def make() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            settings = {key.replace("_", "."): value for key, value in config.items()}
            response = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
            assert not response.topic_errors[0][1], response
        finally:
            await admin.close()

    asyncio.run(make())


def test_create_makes_what_is_missing_and_leaves_the_rest(fresh_kafka: str) -> None:
    """Twice in a row, with a topic that somebody made with another retention."""
    make_topic(fresh_kafka, "dead_letters", 4, retention_ms="1234567")
    env = environment(fresh_kafka)
    first = run(env, "topics", "create")
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("created ") == len(NAMES) - 1
    assert "existed  dead_letters" in first.stdout
    again = run(env, "topics", "create")
    assert again.returncode == 0
    assert again.stdout.count("existed ") == len(NAMES)
    described = run(env, "topics", "describe")
    rows = {row["topic"]: row for row in map(json.loads, described.stdout.splitlines())}
    assert rows.keys() == NAMES
    assert {row["partitions"] for row in rows.values()} == {4}
    assert rows["dead_letters"]["retention_ms"] == 1_234_567
    assert rows["location_data"]["retention_ms"] == 7 * 86_400_000
    assert rows[TOPICS.latest_locations_changelog.name]["cleanup"] == "compact"
    assert rows["transaction_data"]["records"] == 0


def test_settings_of_new_topics_can_be_overridden(fresh_kafka: str) -> None:
    """History must not vanish: its timestamps are older than any retention."""
    env = environment(fresh_kafka)
    created = run(env, "topics", "create", "--config", "retention.ms=-1", "--partitions", "2")
    assert created.returncode == 0, created.stderr
    assert "SMARTBANK_TOPIC_PARTITIONS=2" in created.stderr
    rows = [json.loads(line) for line in run(env, "topics", "describe").stdout.splitlines()]
    assert {row["partitions"] for row in rows} == {2}
    assert {row["retention_ms"] for row in rows if row["cleanup"] == "delete"} == {-1}
    verified = run(env, "topics", "verify")
    assert verified.returncode == 1
    assert verified.stderr == "the topics have 2 partitions each, not 4: set SMARTBANK_TOPIC_PARTITIONS=2\n"


async def test_creators_that_race_make_every_topic_once(fresh_kafka: str) -> None:
    """Each topic is reported as created by exactly one of them, and both return when it can be used."""
    connection = connection_of(Settings(kafka_bootstrap=fresh_kafka))

    async def make() -> CreatedTopics:
        return await create_topics(connection, TOPICS.all, partitions=4, replication_factor=1)

    outcomes = await asyncio.gather(make(), make(), make())
    assert sorted(name for outcome in outcomes for name in outcome.created) == sorted(NAMES)
    assert all({*outcome.created, *outcome.existed} == NAMES for outcome in outcomes)
    await check_topics(connection, TOPICS.all, partitions=4)


def test_verify_tells_what_is_missing_and_what_to_do(fresh_kafka: str) -> None:
    """A worker refuses to start with the same words."""
    verified = run(environment(fresh_kafka), "topics", "verify")
    assert verified.returncode == 1
    assert verified.stderr.startswith("missing: location_data, ")
    assert verified.stderr.endswith("run `python -m app topics create`\n")


def test_unequal_partition_counts_are_told_with_the_way_out(fresh_kafka: str) -> None:
    """Each topic with its count; the worker's check raises it."""
    make_topic(fresh_kafka, "location_data", 8)
    env = environment(fresh_kafka)
    created = run(env, "topics", "create")
    assert created.returncode == 1
    assert "location_data has 8, " in created.stderr
    assert "delete location_data (kafka-topics.sh --delete" in created.stderr
    assert "topics create --partitions 4`" in created.stderr
    with pytest.raises(CoPartitionError, match="location_data has 8"):
        asyncio.run(check_topics(connection_of(Settings(kafka_bootstrap=fresh_kafka)), TOPICS.all))


def test_a_changelog_that_is_not_compacted_is_a_problem(fresh_kafka: str) -> None:
    """Retention would delete the last location of every device that rests."""
    make_topic(fresh_kafka, TOPICS.latest_locations_changelog.name, 4, cleanup_policy="delete")
    created = run(environment(fresh_kafka), "topics", "create")
    assert created.returncode == 1
    assert "has cleanup.policy=delete, which deletes state with time" in created.stderr


def test_too_many_copies_are_refused_with_the_way_out(fresh_kafka: str) -> None:
    """One broker cannot hold three."""
    created = run(environment(fresh_kafka), "topics", "create", "--replication-factor", "3")
    assert created.returncode == 1
    assert "SMARTBANK_TOPIC_REPLICATION_FACTOR" in created.stderr
    assert created.stderr.startswith("error: the broker refuses to create ")
    assert created.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [("topics", "verify"), ("tail", "x"), ("reconcile",)])
def test_no_broker_is_one_line_with_the_address(command: tuple[str, ...]) -> None:
    """Without a traceback and without the client's own log."""
    failed = run(environment("127.0.0.1:1"), *command)
    assert failed.returncode == 1
    assert failed.stderr == (
        "error: no Kafka at 127.0.0.1:1: start one with `python -m app kafka start`,"
        " or set SMARTBANK_KAFKA_BOOTSTRAP\n"
    )


async def test_no_broker_is_retryable() -> None:
    """A supervisor may start the worker again."""
    with pytest.raises(RetryableError, match="no Kafka at"):
        await check_topics(connection_of(Settings(kafka_bootstrap="127.0.0.1:1")), TOPICS.all)
