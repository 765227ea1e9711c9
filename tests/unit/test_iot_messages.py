"""Whatever devices publish becomes one record each: a location, or a dead letter that says why."""

import json
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from models.dead_letter import MAX_VALUE_BYTES, DeadLetter
from models.location_fix import LocationFix
from privacy.field_encryption import SEALED, FieldCipher
from sources.intake_lane import Record
from sources.iot.messages import Message, Reader
from sources.iot.topic_filter import TopicFilter
from tests.messages import NOON_MS, POISON, location_message
from tests.strategies import location_messages

KEY, OTHER_KEY = Fernet.generate_key(), Fernet.generate_key()
CIPHER = FieldCipher([KEY])
TOPIC = "devices/phone/location"
SECRET_FIELDS, BOUND_TO = {"Latitude", "Longitude", "Speed"}, {"DeviceId", "Time"}


def reader(
    topic_filter: str = "devices/+/location", *, has_key: bool = True, must_be_sealed: bool = False
) -> Reader:
    """A reader for topics named as ours are."""
    return Reader(
        TopicFilter(text=topic_filter),
        location_topic="locations",
        dead_letter_topic="dead",
        cipher=CIPHER if has_key else None,
        must_be_sealed=must_be_sealed,
    )


def read(payload: bytes, topic: str = TOPIC, **options: Any) -> Record:
    """What becomes of one message."""
    (record,) = reader(**options).records([Message(topic, payload)], NOON_MS)
    return record


def sealed(key: bytes = KEY, **changes: Any) -> bytes:
    """An encrypted report of the phone."""
    return json.dumps(
        FieldCipher([key]).sealed(location_message(**changes), SECRET_FIELDS, BOUND_TO)
    ).encode()


def letter_of(record: Record) -> DeadLetter:
    """The dead letter in a record."""
    assert record.topic == "dead"
    return DeadLetter.from_record(record.key, record.value, record.headers)


def test_a_location_goes_to_kafka_byte_for_byte() -> None:
    """Under its device's id, with the time of receipt."""
    payload = json.dumps(location_message(Note="kept"), indent=1).encode()
    assert read(payload) == Record("locations", b"phone", payload, NOON_MS)


def test_a_device_that_does_not_name_itself_is_the_topics() -> None:
    """A laptop's sensor knows its thing's name only by its certificate."""
    message = location_message()
    del message["DeviceId"]
    record = read(json.dumps(message).encode(), "devices/laptop-7/location")
    assert (record.topic, record.key) == ("locations", b"laptop-7")
    assert json.loads(record.value) == {**message, "DeviceId": "laptop-7"}


def test_a_sealed_location_is_opened() -> None:
    """Kafka gets what the device sealed; also where everything must be sealed."""
    for must_be_sealed in (False, True):
        record = read(sealed(), must_be_sealed=must_be_sealed)
        assert record.topic == "locations"
        assert json.loads(record.value) == location_message()


@pytest.mark.parametrize(
    ("payload", "options", "code"),
    [
        (b"{", {}, "malformed"),
        (b"", {}, "malformed"),
        (json.dumps(location_message(DeviceId="another")).encode(), {}, "wrong_device"),
        (sealed(DeviceId="another"), {}, "wrong_device"),
        (json.dumps(location_message()).encode(), {"topic": "elsewhere/phone"}, "wrong_topic"),
        (b'{"x":"' + b"y" * MAX_VALUE_BYTES + b'"}', {}, "too_large"),
        (sealed(OTHER_KEY), {}, "undecryptable"),
        (sealed(), {"has_key": False}, "undecryptable"),
        (sealed(Latitude=91), {}, "malformed"),
        (json.dumps(location_message()).encode(), {"must_be_sealed": True}, "not_encrypted"),
        (
            json.dumps({**json.loads(sealed()), "Latitude": 37.335816}).encode(),
            {"must_be_sealed": True},
            "not_encrypted",
        ),
        (
            json.dumps(location_message()).replace('"Speed"', f'"\\u0045{SEALED[1:]}"').encode(),
            {"must_be_sealed": True},
            "not_encrypted",
        ),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter(payload: bytes, options: dict[str, Any], code: str) -> None:
    """With its bytes as they came and its place, which no record of Kafka can have."""
    letter = letter_of(read(payload, **options))
    assert letter.reason_code == code
    assert letter.value == payload[:MAX_VALUE_BYTES]
    assert letter.source_topic == "mqtt/" + options.get("topic", TOPIC)
    assert (letter.source_partition, letter.source_offset) == (-1, -1)
    assert letter.source_length_bytes == len(payload)
    assert "37.3" not in letter.reason


@given(
    st.lists(st.tuples(st.text(), st.binary() | location_messages().map(msgspec.json.encode))), st.booleans()
)
def test_any_bytes_on_any_topic_become_one_record_each(
    messages: list[tuple[str, bytes]],
    must_be_sealed: bool,  # noqa: FBT001
) -> None:
    """In their order; nothing is left out, and a location is one that the detector reads."""
    given_messages = [Message(*each) for each in messages]
    records = reader("#", must_be_sealed=must_be_sealed).records(given_messages, NOON_MS)
    assert len(records) == len(messages)
    for (_, payload), record in zip(messages, records, strict=True):
        assert record.value == payload
        if record.topic == "locations":
            assert msgspec.json.decode(record.value, type=LocationFix).key == record.key


@given(
    st.sampled_from(sorted(POISON)).map(lambda name: POISON[name][:1000])
    | st.recursive(st.none() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists).map(
        lambda value: msgspec.json.encode({"Latitude": value, "Longitude": 1, "Speed": value})
    )
)
def test_what_a_holder_of_the_key_seals_breaks_nothing(inner: bytes) -> None:
    """A device that is mad has keys, too."""
    message = {"DeviceId": "phone", "Time": "2026-01-01", SEALED: Fernet(KEY).encrypt(inner).decode()}
    record = read(json.dumps(message).encode())
    if record.topic == "locations":
        assert msgspec.json.decode(record.value, type=LocationFix).device_id == "phone"
    else:
        assert letter_of(record).reason_code in ("undecryptable", "malformed")


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_poison_among_good_ones_spoils_only_itself(poison: bytes) -> None:
    """Where it stands among them does not matter."""
    good = Message(TOPIC, json.dumps(location_message()).encode())
    records = reader().records([good, Message(TOPIC, poison), good], NOON_MS)
    assert [record.topic for record in records] == ["locations", "dead", "locations"]


@pytest.mark.parametrize(
    ("topic_filter", "topic", "device_id"),
    [
        ("devices/+/location", "devices/a/location", "a"),
        ("devices/+/location", "devices//location", ""),
        ("$share/bridges/devices/+/location", "devices/a/location", "a"),
        ("devices/+/#", "devices/a/b/c", "a"),
        ("devices/+/#", "devices/a", "a"),
        ("#", "anything", None),
        ("fixed", "fixed", None),
    ],
)
def test_the_device_stands_where_the_first_plus_is(
    topic_filter: str, topic: str, device_id: str | None
) -> None:
    """Shared subscriptions match as their filters do."""
    assert TopicFilter(text=topic_filter).device_of(topic) == device_id


@pytest.mark.parametrize("text", ["", "a/#/b", "a+/b", "a/b#", "$share/group", "nul\0"])
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    """Before a broker sees it."""
    with pytest.raises(ValueError, match="not an MQTT topic filter"):
        TopicFilter(text=text)
