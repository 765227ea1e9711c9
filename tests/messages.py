"""Messages as producers send them, good ones to be spoilt, and how the detector reads them."""

import json
from collections.abc import Callable
from typing import Any

from aiokafka import ConsumerRecord

from app.decoders import input_decoders
from app.settings import Settings
from app.topics import topics_of
from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.errors import RecordError

CARD_NUMBER = "4000001234567899"
CUSTOMER_NAME = "Somebody Real"
NOON_MS = 1_711_972_800_000  # 2024-04-01T12:00:00Z

_TOPICS = topics_of(Settings())
_DECODERS = input_decoders(_TOPICS)


class Absent:
    """Stands for a field that is left out of a message."""


ABSENT = Absent()

# Values that are no message of any topic, by what is wrong with them.
POISON = {
    "not json": b"{",
    "a zero byte": b"\x00",
    "empty": b"",
    "blank": b"  ",
    "null": b"null",
    "a list": b"[]",
    "two records in one": b'{"DeviceId":"a"}\n{"DeviceId":"b"}',
    "a field is missing": b'{"DeviceId":"a"}',
    "a field of a wrong type": b'{"DeviceId":1,"Time":"2026-01-01 00:00:00","Latitude":1,"Longitude":1}',
    "no such day": b'{"DeviceId":"a","Time":"2026-02-30 00:00:00","Latitude":1,"Longitude":1}',
    "beyond the pole": b'{"DeviceId":"a","Time":"2026-01-01 00:00:00","Latitude":91,"Longitude":1}',
    "no finite number": b'{"DeviceId":"a","Time":"2026-01-01 00:00:00","Latitude":1e400,"Longitude":1}',
    "bad utf-8": b'{"DeviceId":"\xff","Time":"2026-01-01 00:00:00","Latitude":1,"Longitude":1}',
    "deeply nested": b"[" * 3000,
    "almost the broker's limit": b'{"x":"' + b"y" * 1_000_000 + b'"}',
}


def location_message(**changes: Any) -> dict[str, Any]:
    """A report of a phone in San Jose, with the given fields changed or ABSENT."""
    message = {
        "DeviceId": "phone",
        "Time": "2024-04-01 12:00:00",
        "Latitude": 37.335816,
        "Longitude": -121.895130,
        "Speed": 0.3325222134590149,
        "HorizontalAccuracy": 4.5,
    }
    return _present({**message, **changes})


def transaction_message(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A purchase in San Jose, with the given fields changed or ABSENT."""
    message = {
        "Transaction ID": "t-1",
        "Device ID": "phone",
        "Timestamp": "2024-04-01T12:00:00Z",
        "Amount": 12.5,
        "Location Latitude": "37.335816",
        "Location Longitude": "-121.895130",
        "User ID": "U-77",
        "Name": CUSTOMER_NAME,
        "Card Number": CARD_NUMBER,
        "Merchant": "Corner Shop",
    }
    return _present({**message, **(changes or {})})


def read_location(message: dict[str, Any] | bytes | None) -> LocationFix:
    """Decode a report as the detector does. Raises RecordError."""
    fix: LocationFix = _DECODERS[_TOPICS.location_data.name].decode(as_json(message))
    return fix


def read_transaction(message: dict[str, Any] | bytes | None) -> Transaction:
    """Decode a transaction as the detector does. Raises RecordError."""
    transaction: Transaction = _DECODERS[_TOPICS.transaction_data.name].decode(as_json(message))
    return transaction


def refusal(read: Callable[[bytes | None], object], value: bytes | None) -> RecordError | None:
    """Why `read` refuses a value; None where it takes it."""
    try:
        read(value)
    except RecordError as error:
        return error
    return None


def as_json(message: dict[str, Any] | bytes | None) -> bytes | None:
    """The record value of a message; bytes and None stay as they are."""
    return json.dumps(message).encode() if isinstance(message, dict) else message


def outcome(value: Any) -> Any:
    """`value` in a form that compares: errors by what they say."""
    return ("refused", value.reason_code, value.reason) if isinstance(value, RecordError) else value


def record(
    topic: str = "location_data",
    *,
    partition: int = 0,
    offset: int = 0,
    timestamp_ms: int = NOON_MS,
    key: bytes | None = b"phone",
    value: bytes | None = None,
) -> ConsumerRecord:
    """A record as the broker hands it out."""
    return ConsumerRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp_ms,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )


def _present(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if not isinstance(value, Absent)}
