"""Creating topics, and saying what is wrong with those that are there."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    RequestTimedOutError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from app.broker_client import admin_client, user_of
from app.connection import Connection
from app.topic_state import TopicState, topic_configs, topic_states
from app.topics import TopicSpec
from streaming.errors import ConfigError, CoPartitionError, RetryableError

LEADER_TIMEOUT_S = 30.0
_POLL_INTERVAL_S = 0.05

CREATE_COMMAND = "python -m app topics create"
MISSING = "missing"  # how the problem begins that CREATE_COMMAND alone solves


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedTopics:
    """Names of the topics that `create_topics` made, and of those that were there before."""

    created: tuple[str, ...]
    existed: tuple[str, ...]


async def create_topics(
    connection: Connection,
    topics: Sequence[TopicSpec],
    *,
    partitions: int,
    replication_factor: int,
    overrides: Mapping[str, str] | None = None,
) -> CreatedTopics:
    """Create those of `topics` that do not exist and wait until every partition of all has a leader.

    `overrides` lie over each new topic's own settings. A topic that exists, or that somebody else makes
    meanwhile, is left as it is, whatever its partitions and settings. Raises ConfigError where the broker
    refuses one (then others may have been made), RetryableError where it is away or too slow.
    """
    async with admin_client(connection) as admin:
        before = await topic_states(admin)
        wanted = [topic for topic in topics if topic.name not in before]
        new = [
            NewTopic(t.name, partitions, replication_factor, topic_configs={**t.config, **(overrides or {})})
            for t in wanted
        ]
        # Existing ones are not even asked for: whoever may only verify must not need the right to create.
        response = await admin.create_topics(new) if new else None
        outcomes = (
            {name: (code, message) for name, code, message in response.topic_errors} if response else {}
        )
        created = tuple(
            t.name for t in wanted if _was_created(t.name, *outcomes[t.name], connection=connection)
        )
        await _await_leaders(admin, {topic.name for topic in topics})
    return CreatedTopics(
        created=created, existed=tuple(topic.name for topic in topics if topic.name not in created)
    )


def _was_created(name: str, error_code: int, message: str | None, *, connection: Connection) -> bool:
    """Read the broker's answer for one topic; False where somebody else was quicker."""
    if not error_code:
        return True
    error = for_code(error_code)
    if error is TopicAlreadyExistsError:
        return False
    if error is RequestTimedOutError:
        raise RetryableError(f"the broker took too long to create {name}: {message}")
    if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise ConfigError(
            f"{user_of(connection)} is not allowed to create {name}:"
            f" let an administrator run `{CREATE_COMMAND}`"
        )
    remedy = (
        "; lower --replication-factor or SMARTBANK_TOPIC_REPLICATION_FACTOR"
        if error is InvalidReplicationFactorError
        else ""
    )
    raise ConfigError(f"the broker refuses to create {name}: {message or error.__name__}{remedy}")


async def _await_leaders(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    try:
        async with asyncio.timeout(LEADER_TIMEOUT_S):
            while True:
                states = await topic_states(admin)
                if all(name in states and not states[name].leaderless for name in names):
                    return
                await asyncio.sleep(_POLL_INTERVAL_S)
    except TimeoutError:
        waiting = sorted(n for n in names if n not in states or states[n].leaderless)
        raise RetryableError(
            f"{', '.join(waiting)}: no leader for every partition after {LEADER_TIMEOUT_S:g} s"
        ) from None


async def verify_topics(
    connection: Connection, topics: Sequence[TopicSpec], *, partitions: int | None = None
) -> list[str]:
    """Return what is wrong with the topics on the broker, one sentence each; empty where nothing is.

    With `partitions` the co-partitioned ones must have that many, not only equally many.
    """
    async with admin_client(connection) as admin:
        states = await topic_states(admin)
        ours = {topic.name: states[topic.name] for topic in topics if topic.name in states}
        changelogs = [topic.name for topic in topics if topic.compacted and topic.name in ours]
        configs = await topic_configs(admin, changelogs) if changelogs else {}
    visible_to = "" if connection.security == "plaintext" else f" or not to be seen by {user_of(connection)}"
    return [
        *_missing(topics, ours, visible_to),
        *_unequal(co_partitioned(topics), ours, partitions),
        *_leaderless(ours),
        *_uncompacted(
            {name: configs[name].get("cleanup.policy", "") for name in changelogs if name in configs}
        ),
    ]


async def check_topics(
    connection: Connection, topics: Sequence[TopicSpec], *, partitions: int | None = None
) -> None:
    """Return if a worker may start. Raises CoPartitionError with everything that is wrong, in one line.

    `partitions`: what the worker's tables count on, where that is set apart from the topics.
    """
    if problems := await verify_topics(connection, topics, partitions=partitions):
        raise CoPartitionError("; ".join(problems))


def co_partitioned(topics: Sequence[TopicSpec]) -> tuple[str, ...]:
    """Names of the topics in which a device must lie in the same partition."""
    return tuple(topic.name for topic in topics if topic.is_by_device)


def _missing(topics: Sequence[TopicSpec], ours: Mapping[str, TopicState], visible_to: str) -> list[str]:
    absent = [topic.name for topic in topics if topic.name not in ours]
    if not absent:
        return []
    return [f"{MISSING}{visible_to}: {', '.join(absent)}: run `{CREATE_COMMAND}`"]


def _unequal(names: Sequence[str], ours: Mapping[str, TopicState], wanted: int | None) -> list[str]:
    counts = {name: ours[name].partitions for name in names if name in ours}
    if not counts:
        return []
    usual = Counter(counts.values()).most_common(1)[0][0]
    if odd := [name for name, count in counts.items() if count != usual]:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        problem = (
            f"partition counts differ, so a device's records do not meet in one worker: {told}."
            f" Stop the workers, delete {', '.join(odd)} (kafka-topics.sh --delete; its records are lost)"
            f" and run `{CREATE_COMMAND} --partitions {usual}`"
        )
        return [problem]
    if wanted not in (None, usual):
        return [
            f"the topics have {usual} partitions each, not {wanted}: set SMARTBANK_TOPIC_PARTITIONS={usual}"
        ]
    return []


def _leaderless(ours: Mapping[str, TopicState]) -> list[str]:
    return [
        f"{name} has no leader for partition {', '.join(map(str, state.leaderless))}: is a broker down?"
        for name, state in ours.items()
        if state.leaderless
    ]


def _uncompacted(policies: Mapping[str, str]) -> list[str]:
    return [
        f"{name} has cleanup.policy={policy}, which deletes state with time: set it to compact"
        f" (kafka-configs.sh --alter --topic {name} --add-config cleanup.policy=compact)"
        for name, policy in policies.items()
        if policy != "compact"
    ]
