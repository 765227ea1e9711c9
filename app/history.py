"""Topics that keep old records."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from app.broker_client import admin_client
from app.connection import Connection
from app.topic_admin import CreatedTopics, create_topics
from app.topic_state import topic_configs, topic_states
from app.topics import Topics
from streaming.errors import ConfigError

FOR_EVER: Mapping[str, str] = {"retention.ms": "-1"}
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTopics:
    """Names of the topics that were made, and whether they keep their records for ever."""

    created: tuple[str, ...] = ()
    keep_for_ever: bool = False


async def prepare_topics(
    connection: Connection,
    topics: Topics,
    oldest_ms_by_topic: Mapping[str, int],
    *,
    partitions: int,
    replication_factor: int,
    allow_expiry: bool = False,
) -> PreparedTopics:
    """See to it that records as old as these stay in their topics.

    Where one of the topics is missing, all missing ones of ours are made; where records are older than one of
    ours keeps them by default, with retention.ms=-1. Raises ConfigError where a topic is there and would
    delete the records, unless `allow_expiry`; then nothing has been made.
    """
    now_ms = time.time_ns() // 1_000_000
    async with admin_client(connection) as admin:
        there = oldest_ms_by_topic.keys() & (await topic_states(admin)).keys()
        configs = await topic_configs(admin, sorted(there)) if there else {}
    if not allow_expiry:
        for name, config in configs.items():
            _check_retention(name, config, now_ms - oldest_ms_by_topic[name], connection.bootstrap)
    if there == oldest_ms_by_topic.keys():
        return PreparedTopics()
    shortest_ms = min(topic.retention_ms for topic in topics.all if not topic.compacted)
    is_history = now_ms - min(oldest_ms_by_topic.values()) >= shortest_ms
    outcome: CreatedTopics = await create_topics(
        connection,
        topics.all,
        partitions=partitions,
        replication_factor=replication_factor,
        overrides=FOR_EVER if is_history else None,
    )
    return PreparedTopics(created=outcome.created, keep_for_ever=is_history)


def _check_retention(name: str, config: Mapping[str, str], age_ms: int, bootstrap: str) -> None:
    """Raise ConfigError where the topic deletes records of that age. Kafka: negative means never."""
    retention_ms = int(config.get("retention.ms", -1))
    if "delete" not in config.get("cleanup.policy", "delete") or not 0 <= retention_ms <= age_ms:
        return
    raise ConfigError(
        f"{name} deletes records after {retention_ms / _DAY_MS:,.1f} days (retention.ms={retention_ms}) and"
        f" the oldest of these is {age_ms / _DAY_MS:,.1f} days old: keep them with `kafka-configs.sh"
        f" --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {name}"
        " --add-config retention.ms=-1`, or send them anyway with --allow-expiry"
    )
