"""What a user may do, asked before it is needed: without a right, Faust would wait in silence."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupAuthorizationFailedError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

from app.broker_client import raw_client, user_of
from app.connection import Connection
from app.topics import AppTopics
from streaming.errors import ConfigError


class Right(IntEnum):
    """Kafka's codes of operations (AclOperation)."""

    READ = 3
    WRITE = 4


async def check_rights(connection: Connection, topics: AppTopics, group_id: str) -> None:
    """Return if the worker's user may read, write and commit all that it has to; changes nothing.

    Topics that do not exist or cannot be seen are somebody else's to find. Raises ConfigError that names
    every right that is missing.
    """
    async with raw_client(connection) as client:
        needed = _needed_rights(topics)
        granted = await _granted_rights(client, list(needed))
        lacking = [
            f"{right.name.title()} on topic {name}"
            for name, rights in needed.items()
            for right in rights
            if name in granted and right not in granted[name]
        ]
        if not await _may_join(client, group_id):
            lacking.append(f"Read on group {group_id}")
    _require_none(connection, lacking)


async def check_write_rights(connection: Connection, names: Sequence[str], client: AIOKafkaClient) -> None:
    """Return if the client's user may write these topics. Raises ConfigError that names what is missing."""
    granted = await _granted_rights(client, list(names))
    unwritable = [name for name in names if name in granted and Right.WRITE not in granted[name]]
    _require_none(connection, [f"Write on topic {name}" for name in unwritable])


def _require_none(connection: Connection, lacking: Sequence[str]) -> None:
    if lacking:
        raise ConfigError(
            f"{user_of(connection)} at {connection.bootstrap} lacks {', '.join(lacking)}: an administrator"
            " grants it with kafka-acls.sh as docs/kafka_security.md shows"
        )


def _needed_rights(topics: AppTopics) -> Mapping[str, Sequence[Right]]:
    """Inputs are read, outputs written; what the app keeps is both."""
    read = {topic.name for topic in (*topics.reads, *topics.keeps)}
    written = {topic.name for topic in (*topics.keeps, *topics.writes)}
    return {
        topic.name: [
            *([Right.READ] if topic.name in read else []),
            *([Right.WRITE] if topic.name in written else []),
        ]
        for topic in topics.all
    }


async def _granted_rights(client: AIOKafkaClient, names: list[str]) -> dict[str, set[Right]]:
    answer = await client.send(client.get_random_node(), _RightsRequest(names))
    return {
        name: {right for right in Right if operations & 1 << right}
        for error_code, name, _is_internal, _partitions, operations in answer.topics
        if error_code in (0, 5)  # 5: a partition has no leader yet
    }


async def _may_join(client: AIOKafkaClient, group_id: str) -> bool:
    """Send a heartbeat of nobody: the broker looks at the right before it looks for the member."""
    answer = await client.send(client.get_random_node(), HeartbeatRequest(group_id, -1, ""))
    return bool(answer.error_code != GroupAuthorizationFailedError.errno)


# aiokafka speaks Metadata up to version 5; the rights came with 8 (Kafka 2.3, KIP-430).


class _RightsResponse(Response):  # type: ignore[misc]  # aiokafka is untyped for us
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _RightsRequestStruct(RequestStruct):  # type: ignore[misc]  # the same
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _RightsResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _RightsRequest(Request[_RightsRequestStruct]):  # type: ignore[misc]  # the same
    API_KEY = 3

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_RightsRequestStruct]) -> Any:
        return request_struct_class(self._names, False, False, True)  # noqa: FBT003 (as the schema has it)
