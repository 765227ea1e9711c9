"""What `topics describe` shows: each topic as it is meant and as it is."""

from typing import Any

from app.broker_client import admin_client
from app.connection import Connection
from app.topic_state import OffsetRange, TopicState, offset_ranges, topic_configs, topic_states
from app.topics import Topics, TopicSpec


async def described_topics(connection: Connection, topics: Topics) -> list[dict[str, Any]]:
    """One row a topic; what a missing topic cannot have is None, and so is what we may not read."""
    async with admin_client(connection) as admin:
        states = await topic_states(admin)
        there = {t.name: states[t.name].partitions for t in topics.all if t.name in states}
        configs = await topic_configs(admin, there) if there else {}
    ranges = await offset_ranges(connection, there) if there else {}
    return [_row(t, states.get(t.name), configs.get(t.name, {}), ranges.get(t.name, {})) for t in topics.all]


def _row(
    topic: TopicSpec, state: TopicState | None, config: dict[str, str], ranges: dict[int, OffsetRange]
) -> dict[str, Any]:
    retention_ms = None if topic.compacted else config.get("retention.ms")
    return {
        "topic": topic.name,
        "zone": topic.zone,
        "partitions": state and state.partitions,
        "replication": state and state.replication_factor,
        "cleanup": config.get("cleanup.policy"),
        "retention_ms": None if retention_ms is None else int(retention_ms),
        "records": sum(r.end_offset - r.begin_offset for r in ranges.values()) if state else None,
        "doc": topic.doc if state else f"MISSING. {topic.doc}",
    }
