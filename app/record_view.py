"""A record of any topic as one JSON object: what `tail` prints."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
from aiokafka import ConsumerRecord

from app.topics import TopicSpec
from detection.track import Track
from models.dead_letter import DeadLetter


def view(record: ConsumerRecord, spec: TopicSpec | None) -> dict[str, Any]:
    """topic, partition, offset, timestamp (ms since the epoch), key, value; nothing is cut.

    The value is decoded as `spec` says (None: a topic that is not ours). What stands in the headers of a
    dead letter comes as further fields; headers of other records as one field `headers`.
    """
    shown = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": _text(record.key),
        "value": _state(record.value, spec.value) if spec and spec.compacted else _json(record.value),
    }
    if spec and spec.value is DeadLetter:
        return {**_dead_letter_fields(record.headers), **shown}
    return {**shown, "headers": _headers(record.headers)} if record.headers else shown


def one_line(shown: dict[str, Any]) -> bytes:
    """JSON, UTF-8, without a line break."""
    return msgspec.json.encode(shown)


def dead_letter_view(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter that lies on no topic, with its key and value as they were sent."""
    return {**msgspec.structs.asdict(letter), "key": _text(letter.key), "value": _text(letter.value)}


def _dead_letter_fields(headers: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    try:
        letter = DeadLetter.from_record(None, None, headers)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return _headers(headers)
    fields = msgspec.structs.asdict(letter)
    return {name: field for name, field in fields.items() if name not in ("key", "value")}


def _headers(headers: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    return {name: _text(value) for name, value in headers}


def _state(value: bytes | None, type_: type[msgspec.Struct]) -> Any:
    """A row of a changelog with its fields' names; null is a tombstone: the row was deleted."""
    if value is None:
        return None
    try:
        if type_ is Track:
            return [msgspec.structs.asdict(fix) for fix in Track().with_page(0, value).fixes()]
        return msgspec.structs.asdict(msgspec.msgpack.decode(value, type=type_))
    except ValueError:  # msgspec.DecodeError is one
        return _json(value)


def _json(value: bytes | None) -> Any:
    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(value)


def _text(value: bytes | None) -> str | dict[str, str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}
