"""The AsyncAPI 3.0.0 document: what downstream consumers and producers see of Kafka."""

from typing import Any

from app.published.schemas import RecordFormat, record_format
from app.settings import DEFAULT_BOOTSTRAP, Settings
from app.topics import Topics, TopicSpec

VERSION = "0.1.0"  # of what clients see, and of the project: tests/unit/test_schemas.py holds them together
_BINDING = "0.5.0"

_DESCRIPTION = """\
Could the customer's phone have been where the card was used? Producers send locations and transactions;
consumers read verdicts. Operations are told from the client's side.

Records are keyed by device id and co-partitioned. Delivery is at least once: of records with the same
transaction_id the one with the highest revision counts, and of equals the last."""


def asyncapi_document(topics: Topics, settings: Settings) -> dict[str, Any]:
    """Describe every topic with zone, key, partitions, retention, messages and headers."""
    formats = {
        topic.name: record_format(topic, topics, "#/components/schemas/{name}") for topic in topics.all
    }
    schemas = {name: schema for record in formats.values() for name, schema in record.definitions.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Smart Bank Streams",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {topic.name: _channel(topic, settings) for topic in topics.all},
        "operations": _operations(topics),
        "components": {
            "messages": {topic.name: _message(topic, formats[topic.name]) for topic in topics.all},
            "schemas": {name: _draft_07(schema) for name, schema in sorted(schemas.items())},
            "securitySchemes": {
                "scram": {"type": "scramSha512", "description": "User and password, over TLS."},
                "certificate": {
                    "type": "X509",
                    "description": "A certificate that the brokers' authority signed.",
                },
            },
        },
    }


def _servers() -> dict[str, Any]:
    variables = {"bootstrap": {"default": "kafka.example.org:9093", "description": "host:port of a broker."}}
    return {
        "local": {
            "host": DEFAULT_BOOTSTRAP,
            "protocol": "kafka",
            "description": "`make demo`, `make up`: plaintext, for one machine only.",
        },
        "scram": {
            "host": "{bootstrap}",
            "protocol": "kafka-secure",
            "description": "SASL_SSL with SCRAM-SHA-512.",
            "variables": variables,
            "security": [{"$ref": "#/components/securitySchemes/scram"}],
        },
        "mutual-tls": {
            "host": "{bootstrap}",
            "protocol": "kafka-secure",
            "description": "SSL with client certificates.",
            "variables": variables,
            "security": [{"$ref": "#/components/securitySchemes/certificate"}],
        },
    }


def _channel(topic: TopicSpec, settings: Settings) -> dict[str, Any]:
    policy = (
        {"cleanup.policy": ["compact"]}
        if topic.compacted
        else {
            "cleanup.policy": ["delete"],
            "retention.ms": topic.retention_ms,
        }
    )
    return {
        "address": topic.name,
        "description": topic.doc,
        "messages": {"record": {"$ref": f"#/components/messages/{topic.name}"}},
        "tags": [{"name": topic.zone, "description": f"Zone: {topic.zone}."}],
        "bindings": {
            "kafka": {
                "partitions": settings.topic_partitions,
                "replicas": settings.topic_replication_factor,
                "topicConfiguration": policy,
                "bindingVersion": _BINDING,
            }
        },
    }


def _message(topic: TopicSpec, record: RecordFormat) -> dict[str, Any]:
    message = {
        "name": topic.value.__name__,
        "title": topic.value.__name__,
        "summary": topic.doc,
        "contentType": record.content_type,
        "payload": record.value,
        "bindings": {
            "kafka": {"key": {"type": "string", "description": record.key}, "bindingVersion": _BINDING}
        },
    }
    return message if record.headers is None else {**message, "headers": record.headers}


def _operations(topics: Topics) -> dict[str, Any]:
    def operation(action: str, topic: TopicSpec, summary: str) -> dict[str, Any]:
        return {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.name}"},
            "summary": summary,
            "messages": [{"$ref": f"#/channels/{topic.name}/messages/record"}],
        }

    return {
        "readFlaggedTransactions": operation(
            "receive", topics.potential_fraud, "Act on transactions that the phone speaks against."
        ),
        "readDecisions": operation(
            "receive", topics.transaction_decisions, "Follow every verdict with its evidence."
        ),
        "readCardTestingAlerts": operation(
            "receive", topics.card_testing_alerts, "Act on cards that somebody tries."
        ),
        "readDeadLetters": operation(
            "receive", topics.dead_letters, "Look into records that could not be processed."
        ),
        "readAnonymizedTransactions": operation(
            "receive",
            topics.anonymized_transactions,
            "Analyse final verdicts, without learning whose they are.",
        ),
        "sendLocation": operation("send", topics.location_data, "Report where a phone is."),
        "sendTransaction": operation("send", topics.transaction_data, "Report the use of a card."),
    }


def _draft_07(node: Any) -> Any:
    """The schema in the dialect that AsyncAPI extends: there `items` names the places of an array."""
    if isinstance(node, dict):
        return {"items" if name == "prefixItems" else name: _draft_07(part) for name, part in node.items()}
    if isinstance(node, list):
        return [_draft_07(part) for part in node]
    return node
