"""The detector's rules over a file: in order, a decision a transaction, in memory that does not grow."""

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from app.decoders import input_decoders
from app.replay import replay
from app.settings import Settings
from app.topics import topics_of
from detection.detector import Detector, Outcome
from detection.paper_rule import PaperRule
from models.dead_letter import DeadLetter
from models.decision import Decision
from sources.event_file import Event
from streaming.errors import ConfigError
from tests.messages import NOON_MS, location_message, transaction_message

MINUTE_MS = 60_000
DECODERS = input_decoders(topics_of(Settings()))
DETECTOR = Detector(rule=PaperRule(), card_token_of="card:{}".format, user_token_of="user:{}".format)


def fix(device_id: str = "phone", *, arrival_ms: int = NOON_MS, **changes: Any) -> Event:
    """A report of a phone."""
    value = json.dumps(location_message(DeviceId=device_id, **changes))
    return Event(topic="location_data", key=device_id, arrival_ms=arrival_ms, value=value)


def use(
    transaction_id: str,
    device_id: str = "phone",
    *,
    arrival_ms: int = NOON_MS,
    at: str = "2024-04-01T12:00:00Z",
) -> Event:
    """A use of a card."""
    message = transaction_message({"Transaction ID": transaction_id, "Device ID": device_id, "Timestamp": at})
    return Event(topic="transaction_data", key=device_id, arrival_ms=arrival_ms, value=json.dumps(message))


def replayed(events: Iterable[Event]) -> Iterator[Decision | DeadLetter]:
    """What the detector would write."""
    for result in replay(events, DECODERS, DETECTOR, max_clock_skew_s=300.0):
        yield result.decision if isinstance(result, Outcome) else result


def test_decisions_come_in_the_order_of_the_transactions() -> None:
    """Each by what stood before it in the file."""
    minute_later = "2024-04-01T12:01:00Z"
    output = replayed(
        [
            use("before any fix"),
            fix(),
            use("at home", at=minute_later),
            use("other phone", "other"),
            fix(Latitude=38.5),
            use("home again", at=minute_later),
        ]
    )
    assert [(d.transaction_id, d.verdict) for d in output if isinstance(d, Decision)] == [
        ("before any fix", "no_location"),
        ("at home", "cleared"),
        ("other phone", "no_location"),
        ("home again", "flagged"),
    ]


def test_a_bad_event_is_a_dead_letter_in_its_place() -> None:
    """Its offset is the number of the event; what follows goes on."""
    broken = Event(topic="location_data", key="phone", arrival_ms=NOON_MS, value="{broken")
    first, letter, second = replayed([use("one"), fix(), broken, use("two")])
    assert isinstance(first, Decision)
    assert isinstance(letter, DeadLetter)
    assert isinstance(second, Decision)
    assert (letter.source_topic, letter.source_partition, letter.source_offset) == ("location_data", 0, 2)
    assert (letter.key, letter.value, letter.reason_code) == (b"phone", b"{broken", "malformed")
    assert (second.transaction_id, second.verdict) == ("two", "cleared")


def test_an_event_from_the_future_is_a_dead_letter() -> None:
    """By the arrival time that the file states: replay reads no clock."""
    [early, letter] = replayed(
        [use("in time", arrival_ms=NOON_MS - 300_000), use("too early", arrival_ms=NOON_MS - 300_001)]
    )
    assert isinstance(early, Decision)
    assert isinstance(letter, DeadLetter)
    assert letter.reason_code == "clock_ahead"


def test_a_topic_that_the_detector_does_not_read_is_an_error_that_names_it() -> None:
    """A file for something else must not end as "no flags"."""
    stray = Event(topic="sensor_data", key=None, arrival_ms=0, value="{}")
    output = replayed([use("one"), stray])
    assert isinstance(next(output), Decision)
    with pytest.raises(
        ConfigError, match=r"event 2 is for sensor_data.*it reads location_data, .*transaction_data"
    ):
        next(output)


def test_an_empty_file_has_no_output() -> None:
    """And is no error."""
    assert list(replayed([])) == []


def test_memory_grows_with_devices_and_not_with_events() -> None:
    """A day of a bank must fit: ten times the hours, the same memory."""

    def events(count: int) -> Iterator[Event]:
        for n in range(count):
            yield fix(f"phone-{n % 10}", arrival_ms=NOON_MS + n * MINUTE_MS)
            yield use(f"t-{n}", f"phone-{n % 10}", arrival_ms=NOON_MS + n * MINUTE_MS)
            yield Event(topic="location_data", key=None, arrival_ms=n, value="{")

    def peak_bytes(count: int) -> int:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert sum(1 for _ in replayed(events(count))) == 2 * count
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak_bytes(1500)  # caches fill; msgspec has one of strings
        short, long = peak_bytes(150), peak_bytes(1500)
    finally:
        tracemalloc.stop()
    assert long < short + 50_000, f"{short} bytes for 150 events of each kind, {long} for 1500"
