"""JSON Schema 2020-12 of the records of every topic, made from the models."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.topics import Topics, TopicSpec
from detection.track import Track
from models.dead_letter import DeadLetter

JSON = "application/json"
MSGPACK = "application/msgpack"
BYTES = "application/octet-stream"

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER_TEXT: Schema = {"type": "string", "pattern": "^-?[0-9]+$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """What stands around and in the value of a topic's records. Headers are UTF-8 text."""

    key: str
    content_type: str
    value: Schema
    headers: Schema | None
    definitions: Mapping[str, Schema]


def record_format(topic: TopicSpec, topics: Topics, ref_template: str) -> RecordFormat:
    """How records of `topic` look; `ref_template` ("#/$defs/{name}") says where definitions will stand."""
    if topic.value is DeadLetter:
        return RecordFormat(
            key="The source's key, byte for byte; null where it had none.",
            content_type=BYTES,
            value={
                "description": "The source's value, byte for byte, cut at 64 KiB; null where it had none.",
                "type": ["string", "null"],
                "contentMediaType": BYTES,
            },
            headers=_header_schema(DeadLetter, without=("key", "value")),
            definitions={},
        )
    if topic.value is Track:
        return RecordFormat(
            key=topic.key_doc,
            content_type=BYTES,
            value={
                "description": "Four fixes of fifteen bytes (detection/fix_code.py); null: deleted.",
                "type": ["string", "null"],
                "contentMediaType": BYTES,
            },
            headers=None,
            definitions={},
        )
    (value,), definitions = msgspec.json.schema_components([topic.value], ref_template=ref_template)
    is_state = topic.compacted
    is_repartition = topic in (topics.location_repartition, topics.transaction_repartition)
    return RecordFormat(
        key=topic.key_doc,
        content_type=MSGPACK if is_state else JSON,
        value=value,
        headers=_ORIGIN_HEADERS if is_repartition else None,
        definitions={name: _polished(schema) for name, schema in _with_positions(topic, definitions).items()},
    )


def json_schema(topic: TopicSpec, topics: Topics) -> Schema:
    """The schema of the topic's record values, which also names zone, key, content type and headers."""
    record = record_format(topic, topics, "#/$defs/{name}")
    document: Schema = {
        "$schema": _DIALECT,
        "title": topic.name,
        "description": topic.doc,
        "x-zone": topic.zone,
        "x-key": record.key,
        "x-content-type": record.content_type,
    }
    if record.headers is not None:
        document["x-headers"] = record.headers
    document |= {name: part for name, part in record.value.items() if name not in document}
    if record.definitions:
        document["$defs"] = dict(record.definitions)
    return document


def _header_schema(struct: type[msgspec.Struct], without: tuple[str, ...] = ()) -> Schema:
    """The headers that carry the fields of `struct`, all of them text."""
    _, definitions = msgspec.json.schema_components([struct])
    fields = definitions[struct.__name__]["properties"]
    return {
        "type": "object",
        "properties": {name: _as_text(schema) for name, schema in fields.items() if name not in without},
        "required": [name for name in definitions[struct.__name__]["required"] if name not in without],
    }


def _as_text(schema: Schema) -> Schema:
    """The schema of a value that is written as text."""
    if schema.get("type") != "integer":
        return schema
    return {**{name: part for name, part in schema.items() if name == "description"}, **_NUMBER_TEXT}


def _with_positions(topic: TopicSpec, definitions: Mapping[str, Schema]) -> dict[str, Schema]:
    """Name the places of a value that lies on the wire as an array: the schema alone has only their order."""
    named = dict(definitions)
    if topic.value.__struct_config__.array_like:
        fields = msgspec.structs.fields(topic.value)
        array = named[topic.value.__name__]
        items = [{"title": f.name, **item} for f, item in zip(fields, array["prefixItems"], strict=True)]
        named[topic.value.__name__] = {**array, "prefixItems": items}
    return named


def _polished(node: Any) -> Any:
    """The schema with the indentation of docstrings taken out of its descriptions."""
    if isinstance(node, dict):
        return {
            name: inspect.cleandoc(part)
            if name == "description" and isinstance(part, str)
            else _polished(part)
            for name, part in node.items()
        }
    if isinstance(node, list):
        return [_polished(part) for part in node]
    return node


_ORIGIN_HEADERS: Schema = {
    "description": "Where the record lay first.",
    "type": "object",
    "properties": {
        "source_topic": {"type": "string"},
        "source_partition": _NUMBER_TEXT,
        "source_offset": _NUMBER_TEXT,
    },
    "required": ["source_topic", "source_partition", "source_offset"],
}
