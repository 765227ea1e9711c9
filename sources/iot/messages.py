"""From what devices publish to records for Kafka: a location each, or a dead letter. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from models.dead_letter import MAX_VALUE_BYTES, DeadLetter
from models.location_fix import LocationFix
from models.wire import time_repair
from privacy.field_encryption import SEALED, FieldCipher, UnreadableSealError
from sources.intake_lane import Record
from sources.iot.topic_filter import TopicFilter, UnexpectedTopicError
from streaming.decoding import MALFORMED, JsonDecoder
from streaming.errors import RecordError

TOO_LARGE, WRONG_DEVICE, WRONG_TOPIC = "too_large", "wrong_device", "wrong_topic"
NOT_ENCRYPTED, UNDECRYPTABLE = "not_encrypted", "undecryptable"

# Where a dead letter came from, in place of Kafka's topic, whose name has no slash, and of a place in it.
_ORIGIN, _NOWHERE = "mqtt/", -1
_SEALED_BYTES = f'"{SEALED}"'.encode()
_PLACE_FIELDS = {"Latitude", "Longitude"}


class Message(NamedTuple):
    """A PUBLISH as it came."""

    topic: str
    payload: bytes


class Reader:
    """Reads messages whose topics match a filter.

    `cipher` opens sealed fields; without one a sealed message is a dead letter. Where `must_be_sealed`, so is
    one whose place is not sealed. The device id is the payload's or, where it has none, the topic's: where
    both have one, they must agree, since a broker's rights are given by topic.
    """

    def __init__(
        self,
        topic_filter: TopicFilter,
        *,
        location_topic: str,
        dead_letter_topic: str,
        cipher: FieldCipher | None = None,
        must_be_sealed: bool = False,
    ) -> None:
        self._filter = topic_filter
        self._location_topic, self._dead_letter_topic = location_topic, dead_letter_topic
        self._cipher, self._must_be_sealed = cipher, must_be_sealed
        self._decoder = JsonDecoder(LocationFix, time_repair("Time"))

    def records(self, messages: Sequence[Message], now_ms: int) -> list[Record]:
        """Return a record for each message, in their order; never raises. `now_ms`: when they were received.

        A payload that is a whole location goes to Kafka byte for byte.
        """
        plain = [self._is_plain(message.payload) for message in messages]
        decoded = iter(
            self._decoder.decode_many(
                [m.payload for m, is_plain in zip(messages, plain, strict=True) if is_plain]
            )
        )
        return [
            self._record(message, next(decoded) if is_plain else None, now_ms)
            for message, is_plain in zip(messages, plain, strict=True)
        ]

    def _is_plain(self, payload: bytes) -> bool:
        """Whether it may be taken as it is: to be sure takes longer."""
        return not self._must_be_sealed and _SEALED_BYTES not in payload and len(payload) <= MAX_VALUE_BYTES

    def _record(self, message: Message, fix: LocationFix | RecordError | None, now_ms: int) -> Record:
        try:
            device_id = self._filter.device_of(message.topic)
        except UnexpectedTopicError as error:
            return self._dead_letter(message, RecordError(WRONG_TOPIC, str(error)), None, now_ms)
        try:
            value = message.payload
            if not isinstance(fix, LocationFix):
                value = self._mended(message.payload, device_id)
                fix = self._decoder.decode(value)
            if device_id is not None and fix.device_id != device_id:
                raise RecordError(WRONG_DEVICE, "DeviceId is not the device of the topic")
        except RecordError as error:
            return self._dead_letter(message, error, device_id, now_ms)
        return Record(self._location_topic, fix.key, value, now_ms)

    def _mended(self, payload: bytes, device_id: str | None) -> bytes:
        """The payload with its sealed fields opened, and with the topic's device id where it has none."""
        if len(payload) > MAX_VALUE_BYTES:
            raise RecordError(TOO_LARGE, f"{len(payload)} bytes; at most {MAX_VALUE_BYTES} are read")
        fields = self._opened(self._fields(payload))
        if device_id is not None:
            fields.setdefault("DeviceId", device_id)
        return msgspec.json.encode(fields)

    def _fields(self, payload: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._decoder.decode(payload)  # raises, and says what is wrong
            raise RecordError(MALFORMED, "a field that is not read has no value that can be one") from None

    def _opened(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self._must_be_sealed and (SEALED not in fields or _PLACE_FIELDS & fields.keys()):
            raise RecordError(NOT_ENCRYPTED, "Latitude and Longitude must come encrypted")
        if SEALED not in fields:
            return fields
        if self._cipher is None:
            raise RecordError(
                UNDECRYPTABLE, "encrypted, and there is no key: see SMARTBANK_IOT_FIELD_KEYS_FILE"
            )
        try:
            return self._cipher.opened(fields)
        except UnreadableSealError as error:
            raise RecordError(UNDECRYPTABLE, str(error)) from None

    def _dead_letter(
        self, message: Message, error: RecordError, device_id: str | None, now_ms: int
    ) -> Record:
        key = message.topic if device_id is None else device_id
        letter = DeadLetter.of(
            reason_code=error.reason_code,
            reason=error.reason,
            topic=_ORIGIN + message.topic,
            partition=_NOWHERE,
            offset=_NOWHERE,
            timestamp_ms=now_ms,
            key=key.encode(),
            value=message.payload,
        )
        return Record(self._dead_letter_topic, letter.key or b"", letter.value or b"", now_ms, letter.headers)
