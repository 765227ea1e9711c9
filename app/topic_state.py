"""What is on the broker: topics, their settings and their offsets. Reads only, and never creates a topic."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest

from app.broker_client import groupless_consumer, raw_client
from app.connection import Connection

_RETRY_PAUSE_S = 0.2
_COORDINATOR_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as the broker has it."""

    name: str
    partitions: int
    replication_factor: int
    leaderless: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetRange:
    """What one partition holds: [begin_offset, end_offset). Offsets inside may be missing (compaction)."""

    begin_offset: int
    end_offset: int


async def topic_states(admin: AIOKafkaAdminClient) -> dict[str, TopicState]:
    """Every topic that we are allowed to see, by name.

    All are asked for, because asking for a missing one by name creates it where the broker allows that.
    """
    return {
        topic["topic"]: TopicState(
            name=topic["topic"],
            partitions=len(topic["partitions"]),
            replication_factor=min((len(p["replicas"]) for p in topic["partitions"]), default=0),
            leaderless=tuple(p["partition"] for p in topic["partitions"] if p["leader"] < 0),
        )
        for topic in await admin.describe_topics()
        if topic["error_code"] in (0, 5)  # 5: a partition has no leader yet
    }


async def topic_configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings of each topic by name; a topic whose settings we may not read is left out."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    responses = await admin.describe_configs(resources)
    return {
        name: {key: value for key, value, *_ in entries}
        for response in responses
        for error_code, _message, _type, name, entries in response.resources
        if error_code == 0
    }


async def offset_ranges(
    connection: Connection, partitions_by_topic: Mapping[str, int]
) -> dict[str, dict[int, OffsetRange]]:
    """The range of every partition of topics that exist, by topic and partition number."""
    tps = [TopicPartition(topic, p) for topic, count in partitions_by_topic.items() for p in range(count)]
    ranges: dict[str, dict[int, OffsetRange]] = {topic: {} for topic in partitions_by_topic}
    async with groupless_consumer(connection) as consumer:
        # The beginning first: it only moves up, so a range is never emptier than the topic is.
        begins = await consumer.beginning_offsets(tps)
        ends = await consumer.end_offsets(tps)
    for tp in tps:
        ranges[tp.topic][tp.partition] = OffsetRange(begin_offset=begins[tp], end_offset=ends[tp])
    return ranges


async def committed_offsets(
    connection: Connection, group_id: str, topics: Collection[str]
) -> dict[tuple[str, int], int]:
    """The group's committed offsets by (topic, partition); a partition without one is left out.

    aiokafka's own look-ups ignore the answer's error code, so that a broker that still loads its groups
    looks like a group without commits: hence by hand, waiting until the group is loaded.
    """
    async with raw_client(connection) as client, asyncio.timeout(_COORDINATOR_TIMEOUT_S):
        while True:
            answer = await client.send(client.get_random_node(), FindCoordinatorRequest(group_id, 0))
            if not answer.error_code:
                answer = await client.send(answer.coordinator_id, OffsetFetchRequest(group_id, None))
            if not answer.error_code:
                break
            error = for_code(answer.error_code)
            if not error.retriable:
                raise error(group_id)
            await asyncio.sleep(_RETRY_PAUSE_S)
    return {
        (topic, partition): offset
        for topic, partitions in answer.topics
        for partition, offset, _metadata, _error_code in partitions
        if topic in topics and offset >= 0
    }
