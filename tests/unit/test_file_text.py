"""sources/files/: CSV and JSON lines, good ones and whatever else has such a name."""

import gzip
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.event_file import Event, write_events
from sources.files.forms import form_of
from sources.files.result import Placed, Row, Unreadable
from sources.files.text import MAX_LINE_BYTES
from streaming.errors import ConfigError
from tests.files import (
    TRACK_HEADER,
    events_of,
    messages_of,
    results_of,
    transaction_row,
    unreadable_of,
    write_csv,
)
from tests.messages import CARD_NUMBER, NOON_MS, read_transaction
from tests.strategies import moments, transaction_messages

GOOD = "phone,2024-04-01T12:00:00Z,37.3,-121.9\n"


TIMES = moments().filter(lambda moment: moment.year >= 1970).map(datetime.isoformat)  # Kafka knows no others
MESSAGES = st.builds(lambda message, time: message | {"Timestamp": time}, transaction_messages(), TIMES)


def track(folder: Path, content: str | bytes, name: str = "track.csv") -> Path:
    """A file of that content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_a_transaction_that_was_written_as_csv_is_the_same(wanted: list[dict[str, Any]]) -> None:
    """Quotes, commas and newlines in names; empty text and no text are one in CSV, and so are 7 and "7"."""
    with tempfile.TemporaryDirectory() as folder:
        events = events_of(write_csv(Path(folder) / "bank.csv", wanted))
    for message, event in zip(wanted, events, strict=True):
        as_text = {
            name: str(value) if isinstance(value, int) and name != "Amount" else value or None
            for name, value in message.items()
            if name not in {"Amount", "Location Latitude", "Location Longitude"}
        }
        assert read_transaction(event.value_bytes) == read_transaction(message | as_text)
        assert event.key == message["Device ID"]


@given(st.lists(MESSAGES, max_size=5))
def test_a_transaction_that_was_written_as_json_is_the_same(wanted: list[dict[str, Any]]) -> None:
    """A number stays a number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.jsonl"
        path.write_text("\n".join(map(json.dumps, wanted)))
        events = events_of(path, "jsonl")
    for message, event in zip(wanted, events, strict=True):
        without_empty = {name: value for name, value in message.items() if value != ""}
        assert read_transaction(event.value_bytes) == read_transaction(without_empty)


def test_an_event_goes_under_its_device_at_the_time_it_happened(tmp_path: Path) -> None:
    """Where nothing tells when it arrived."""
    (event,) = events_of(
        write_csv(tmp_path / "bank.csv", [transaction_row(Timestamp="2024-04-01 12:00:00.0019")])
    )
    assert (event.topic, event.key, event.arrival_ms) == ("transaction_data", "phone", NOON_MS + 1)
    assert json.loads(event.value)["Card Number"] == CARD_NUMBER


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{TRACK_HEADER}\n{GOOD}".encode(),
        f"{TRACK_HEADER}\r\n{GOOD.strip()}\r\n".encode(),
        f"{TRACK_HEADER}\r{GOOD.strip()}\r".encode(),
        f"\n{TRACK_HEADER}\n\n{GOOD.strip()}".encode(),
        f"{TRACK_HEADER}\n{GOOD}".encode("utf-16"),
        b'"DeviceId", Time ,Latitude,Longitude\n"phone",2024-04-01T12:00:00Z, 37.3 ,-121.9\n',
        f"{TRACK_HEADER},x,x\n{GOOD.strip()},1,2\n".encode(),
    ],
    ids=[
        "bom",
        "crlf",
        "cr",
        "blank lines and no end",
        "utf-16",
        "spaces",
        "a column twice that nobody needs",
    ],
)
def test_what_programs_write_is_read(tmp_path: Path, content: bytes) -> None:
    """Each of them says the same."""
    (message,) = messages_of(events_of(track(tmp_path, content)))
    assert message == {
        "DeviceId": "phone",
        "Time": "2024-04-01T12:00:00Z",
        "Latitude": 37.3,
        "Longitude": -121.9,
    }


@pytest.mark.parametrize("content", ["", f"{TRACK_HEADER}\n", f"{TRACK_HEADER}\r\n\r\n"])
def test_a_file_without_rows_is_no_error(tmp_path: Path, content: str) -> None:
    """A script may make one."""
    assert results_of(track(tmp_path, content)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("phone,2024-04-01T12:00:00Z,37.3", "has 3 cells; the header has 4"),
        (f"phone,2024-04-01T12:00:00Z,37.3,-121.9,{CARD_NUMBER}", "has 5 cells; the header has 4"),
        (f"phone,{CARD_NUMBER},37.3,-121.9", "Time is not a time: wanted ISO 8601"),
        ("phone,2024-04-01,37.3,-121.9", "Time is not a time: wanted ISO 8601"),
        ("phone,2024-02-30T12:00:00Z,37.3,-121.9", "Time is not a time: wanted ISO 8601"),
        ("phone,0001-01-01T00:00:00Z,37.3,-121.9", "Time is not within the years 1678 to 2261"),
        ("phone,1960-01-01T00:00:00Z,37.3,-121.9", "arrives before 1970, which Kafka does not know"),
        ("phone,2024-04-01T12:00:00Z,NaN,-121.9", "Latitude is not a number"),
        ("phone,2024-04-01T12:00:00Z,1e999,-121.9", "Latitude is not a number"),
        ("phone,2024-04-01T12:00:00Z,3_7,-121.9", "Latitude is not a number"),
        (f"phone,2024-04-01T12:00:00Z,{CARD_NUMBER},-121.9", "Expected `float` <= 90.0 - at `$.Latitude`"),
        ("phone,2024-04-01T12:00:00Z,,-121.9", "Object missing required field `Latitude`"),
        (",2024-04-01T12:00:00Z,37.3,-121.9", "Object missing required field `DeviceId`"),
        (" ,2024-04-01T12:00:00Z,37.3,-121.9", "DeviceId is blank"),
        (f'"ph"one{CARD_NUMBER},2024-04-01T12:00:00Z,37.3,-121.9', "the quotes are not those of CSV"),
    ],
)
def test_a_bad_line_is_named_with_its_reason_and_never_quoted(tmp_path: Path, line: str, reason: str) -> None:
    """It may hold a card number, and the message goes to a terminal or a log. Its neighbours are read."""
    path = track(tmp_path, f"{TRACK_HEADER}\n{GOOD}{line}\n{GOOD}")
    first, bad, last = results_of(path)
    assert isinstance(first, Placed)
    assert isinstance(last, Placed)
    assert isinstance(bad, Unreadable)
    assert (first.place, bad.place, last.place) == ("line 2", "line 3", "line 4")
    assert bad.reason.startswith(reason)
    assert CARD_NUMBER not in bad.reason


def test_lines_are_counted_as_an_editor_shows_them(tmp_path: Path) -> None:
    """Cells may have newlines in them; a row stands where it begins."""
    rows = [transaction_row(Name="a\nb\r\nc"), transaction_row(Amount="x", Name="d\ne"), transaction_row()]
    found = results_of(write_csv(tmp_path / "bank.csv", rows))
    assert [each.place for each in found] == ["line 2", "line 5", "line 7"]
    assert isinstance(found[1], Unreadable)


def test_bytes_that_are_no_utf8_spoil_their_own_row(tmp_path: Path) -> None:
    """Latin-1 in one cell; a map says which encoding it is."""
    head = ",".join(transaction_row()).encode() + b"\n"
    row = ",".join(map(str, transaction_row(Name="Zo\xeb").values())).encode("latin-1") + b"\n"
    path = track(tmp_path, head + row, "bank.csv")
    assert unreadable_of(path) == {
        "line 2": "a text is not UTF-8; a map says which encoding it is (csv.encoding)"
    }
    toml = '[bank]\nmessage = "transaction"\ncsv = { encoding = "cp1252" }\n'
    (message,) = messages_of(events_of(path, toml=toml))
    assert message["Name"] == "Zoë"


def test_a_quote_that_is_not_closed_loses_no_more_than_it_says(tmp_path: Path) -> None:
    """Python's csv would take the rest of the file for one cell."""
    path = track(tmp_path, f'{TRACK_HEADER}\n{GOOD}"{GOOD}' + GOOD * 5000)
    good, bad, *rest = results_of(path)
    assert isinstance(good, Placed)
    assert isinstance(bad, Unreadable)
    assert bad.reason == "a cell or line is too long: is a quote not closed?"
    last_lost = int(bad.place.removeprefix("lines 3 to "))
    assert [each.place for each in rest] == [f"line {number}" for number in range(last_lost + 1, 5004)]


@pytest.mark.parametrize("name", ["track.csv", "track.jsonl"])
def test_a_line_without_an_end_is_not_kept(tmp_path: Path, name: str) -> None:
    """A line of 40 MB: it is skipped, the next ones are read."""
    good = (
        GOOD
        if name == "track.csv"
        else '{"DeviceId":"a","Time":"2024-04-01T12:00:00Z","Latitude":1,"Longitude":2}\n'
    )
    head = f"{TRACK_HEADER}\n" if name == "track.csv" else good
    path = track(tmp_path, head + "x" * int(2.5 * MAX_LINE_BYTES) + "\n" + good, name)
    bad, last = results_of(path)[-2:]
    assert isinstance(bad, Unreadable)
    assert (bad.place, last.place) == ("line 2", "line 3")
    assert isinstance(last, Placed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"phone,{CARD_NUMBER},37.3,-121.9\n" * 2, "has no column whose name is known"),
        ("DeviceId,Time,Latitude\n", "has no column 'Longitude'"),
        (f"{TRACK_HEADER},Time\n", "has the column 'Time' twice"),
        (f"{TRACK_HEADER},DeviceId\n", "has the column 'DeviceId' twice"),
        (f'"Dev"iceId{CARD_NUMBER},Time\n', "has a first line that is no header"),
        (
            "Device ID,Timestamp,Amount,Location Latitude,Location Longitude\n",
            "has no column 'Transaction ID'",
        ),
        (
            "Transaction ID,Timestamp,Amount,Location Latitude,Location Longitude\n",
            "has no column 'Device ID'",
        ),
    ],
)
def test_a_header_that_does_not_do_is_an_error_that_does_not_quote_it(
    tmp_path: Path, content: str, reason: str
) -> None:
    """The first line of a file without a header is a customer's."""
    with pytest.raises(ConfigError, match=r"track\.csv: " + reason) as caught:
        results_of(track(tmp_path, content))
    assert CARD_NUMBER not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"DeviceId": NaN}', "is not JSON"),
        (b'{"DeviceId": "\xff"}', "is not UTF-8"),
        (b"[1, 2]", "is no JSON object"),
        (b'"4000001234567899"', "is no JSON object"),
        (b'{"a": 4000001234567899}', "has no column whose name is known"),
        (b"{}", "has no column whose name is known"),
        (b'{"Time":"2024-04-01T12:00:00Z","Latitude":1,"Longitude":2}', "has no column 'DeviceId'"),
        (b'{"DeviceId":"a","Time":"2024-04-01T12:00:00Z","Latitude":[1],"Longitude":2}', "Latitude is not"),
        (b'{"DeviceId":"a","Time":1711972800,"Latitude":1,"Longitude":2}', "Time is not a time"),
        (
            b'{"DeviceId":true,"Time":"2024-04-01T12:00:00Z","Latitude":1,"Longitude":2}',
            "DeviceId is neither",
        ),
    ],
)
def test_a_bad_object_is_named_with_its_reason_and_never_quoted(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    """A device's name is not guessed: other rows may be other devices."""
    good = b'{"DeviceId":"a","Time":"2024-04-01T12:00:00Z","Latitude":1,"Longitude":2}'
    path = track(tmp_path, b"\n".join([b"\xef\xbb\xbf" + good, b"", line, good]), "mixed.jsonl")
    first, bad, last = results_of(path)
    assert isinstance(first, Placed)
    assert isinstance(last, Placed)
    assert isinstance(bad, Unreadable)
    assert (bad.place, last.place) == ("line 3", "line 4")
    assert bad.reason.startswith(reason)
    assert CARD_NUMBER not in bad.reason


def test_transactions_and_locations_may_be_mixed_in_json_lines(tmp_path: Path) -> None:
    """Each object says by its names what it is."""
    location = {"DeviceId": "a", "Time": "2024-04-01T12:00:00Z", "Latitude": 1, "Longitude": 2}
    path = tmp_path / "mixed.ndjson"
    path.write_text(f"{json.dumps(location)}\n{json.dumps(transaction_row())}\n")
    assert [event.topic for event in events_of(path)] == ["location_data", "transaction_data"]


def test_a_damaged_archive_ends_with_what_is_lost(tmp_path: Path) -> None:
    """Its good beginning is read; nothing is lost in silence."""
    whole = gzip.compress(f"{TRACK_HEADER}\n{GOOD * 20_000}".encode(), mtime=0)
    path = track(tmp_path, whole[: len(whole) // 2], "track.csv.gz")
    *good, bad = results_of(path)
    assert len(good) > 1000
    assert bad == Unreadable(
        f"after line {len(good) + 1}", "the rest of the file cannot be read: cut off or damaged"
    )
    in_header = track(tmp_path, gzip.compress(GOOD.encode(), mtime=0)[:-12], "short.csv.gz")
    (lost,) = unreadable_of(in_header)
    assert lost == "at the beginning"
    with pytest.raises(ConfigError, match="cannot be read: Not a gzipped file"):
        results_of(track(tmp_path, GOOD, "plain.csv.gz"))


def test_an_event_file_is_known_by_its_first_line(tmp_path: Path) -> None:
    """Both are JSON lines; a bad line later is one that is unreadable."""
    path = tmp_path / "events.jsonl"
    write_events(path, [Event("t", "k", 5, "\ud800"), Event("t", None, 4, "any")])
    with path.open("a") as file:
        file.write('{"topic":"t"}\n')
    first, second, bad = results_of(path)
    assert isinstance(first, Placed)
    assert first.event == Event("t", "k", 5, "\ud800")
    assert isinstance(second, Placed)
    assert second.event.value == "any"
    assert bad == Unreadable("line 3", 'is no event; a line is {"topic", "key", "arrival_ms", "value"}')


@pytest.mark.parametrize(
    "line", ['{"topic":"t","value":', '{"arrival_ms":1,"topic":"t","key":null,"value":""}']
)
def test_an_event_file_is_known_also_where_its_first_line_is_odd(tmp_path: Path, line: str) -> None:
    """Cut off, or by another writer."""
    path = tmp_path / "events.jsonl"
    path.write_text(f"{line}\n")
    assert form_of(path) == "events"


def test_a_row_does_not_show_its_cells() -> None:
    """pytest, logs and tracebacks print reprs."""
    assert repr(Row("line 1", {"Card Number": CARD_NUMBER})) == "Row('line 1')"
