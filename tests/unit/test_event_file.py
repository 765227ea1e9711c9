"""sources/event_file.py and sources/labels.py: files of events and of truths."""

import gzip
import json
import tempfile
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.settings import PROJECT_DIR
from sources.event_file import Event, EventWriter, read_events, wire_bytes, write_events
from sources.labels import Label, LabelWriter, read_labels
from streaming.errors import ConfigError

LABELLED_DIR = PROJECT_DIR.parent / "shared" / "data" / "labelled"

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too
events = st.builds(
    Event,
    topic=any_text,
    key=st.none() | any_text,
    arrival_ms=st.integers(0, 2**63 - 1),
    value=any_text,
)

GOOD_LINE = b'{"topic":"t","key":"k","arrival_ms":1,"value":"v"}\n'


@given(st.lists(events), st.sampled_from(["events.jsonl", "events.jsonl.gz"]))
def test_any_text_comes_back_as_it_was(wanted: list[Event], name: str) -> None:
    """Malformed values are what a dead letter queue is tested with: they must arrive unchanged."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        assert write_events(path, wanted) == len(wanted)
        assert list(read_events(path)) == wanted


@given(st.binary())
def test_bytes_that_are_no_utf8_are_sent_as_those_bytes(sent: bytes) -> None:
    """Whoever writes a topic into a file with surrogateescape gets the same topic back."""
    assert wire_bytes(sent.decode("utf-8", "surrogateescape")) == sent


@given(any_text)
def test_every_text_has_bytes(text: str) -> None:
    """A text that cannot be sent would end the whole file's way."""
    assert len(wire_bytes(text)) >= len(text)


def test_a_lone_surrogate_is_written_as_json_can_carry_it(tmp_path: Path) -> None:
    """Other programs must be able to read the file: it is ASCII then."""
    path = tmp_path / "events.jsonl"
    write_events(path, [Event("t", None, 5, "\ud800")])
    assert json.loads(path.read_text("ascii")) == {
        "topic": "t",
        "key": None,
        "arrival_ms": 5,
        "value": "\ud800",
    }


def test_equal_events_make_equal_files_whatever_their_name(tmp_path: Path) -> None:
    """A gzip header may hold a name and a time."""
    one, two = tmp_path / "one.gz", tmp_path / "two.gz"
    for path in (one, two):
        write_events(path, [Event("t", "k", 5, "v")] * 3)
    assert one.read_bytes() == two.read_bytes()
    assert gzip.decompress(one.read_bytes()).count(b"\n") == 3


@pytest.mark.parametrize(
    "line",
    [
        b'{"topic":"t","key":"k","arrival_ms":1,"value":"4000001234567899"',
        b'{"topic":"t","key":"k","arrival_ms":1,"value":4000001234567899}\n',
        b'{"topic":"t","key":"k","arrival_ms":1,"value":null,"x":"4000001234567899"}\n',
        b'{"topic":"t","key":"k","arrival_ms":-1,"value":"4000001234567899"}\n',
        b'{"topic":"t","key":"k","arrival_ms":9223372036854775808,"value":"4000001234567899"}\n',
        b'{"topic":"t","arrival_ms":1,"value":"4000001234567899"}\n',
        b'{"topic":"t","key":"k","arrival_ms":"4000001234567899","value":"\\ud800"}\n',
        b'"4000001234567899"\n',
        b"[" * 100_000 + b"4000001234567899\n",
        b"\xff4000001234567899\n",
        b"\n",
    ],
)
def test_a_line_that_is_no_event_is_named_and_not_quoted(tmp_path: Path, line: bytes) -> None:
    """It may hold a card number, and the message goes to a terminal or a log."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(GOOD_LINE * 2 + line)
    found = read_events(path)
    assert len(list(islice(found, 2))) == 2
    with pytest.raises(ConfigError, match=r"events\.jsonl: line 3 is no event") as caught:
        next(found)
    assert "4000001234567899" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_broken_archive_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Cut off, damaged, or not compressed at all."""
    whole = gzip.compress(GOOD_LINE * 1000, mtime=0)
    damaged = whole[:20] + bytes(byte ^ 0xFF for byte in whole[20:30]) + whole[30:]
    for number, content in enumerate((whole[:-12], damaged, GOOD_LINE)):
        path = tmp_path / f"{number}.gz"
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{number}\.gz: cannot be read"):
            list(read_events(path))


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    """The usual mistake is a wrong name."""
    with pytest.raises(ConfigError, match=r"none\.jsonl: cannot be read: No such file"):
        next(read_events(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        EventWriter(tmp_path / "no" / "folder.jsonl")
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        LabelWriter(tmp_path / "no" / "folder.csv")


def test_an_event_does_not_show_its_payload() -> None:
    """pytest, logs and tracebacks print reprs."""
    assert repr(Event("t", "k", 5, "4000001234567899")) == "Event('t', arrival_ms=5)"


def test_labels_come_back_as_they_were(tmp_path: Path) -> None:
    """With the header that the scoring script reads by."""
    path = tmp_path / "labels.csv"
    wanted = [Label("a,b", "legit_near", "cleared"), Label("c", "fraud_far", "flagged")]
    with LabelWriter(path) as writer:
        for label in wanted:
            writer.write(label)
    assert path.read_text().splitlines()[0] == "transaction_id,category,expected"
    assert list(read_labels(path)) == wanted


@pytest.mark.parametrize("line", ["a,legit_near,maybe", "a,legit_near", "a,legit_near,cleared,more"])
def test_a_line_that_is_no_label_is_named(tmp_path: Path, line: str) -> None:
    """A label that is silently wrong would make a detector look better or worse than it is."""
    path = tmp_path / "labels.csv"
    path.write_text(f"transaction_id,category,expected\nx,legit_near,cleared\n{line}\n")
    with pytest.raises(ConfigError, match=r"labels\.csv: line 3 is no label"):
        list(read_labels(path))


def test_the_labelled_set_can_be_read() -> None:
    """22,160 events and 3,314 labels, counted with zcat and wc."""
    if not LABELLED_DIR.is_dir():
        pytest.skip(f"the labelled set is not here: {LABELLED_DIR}")
    topics = Counter(event.topic for event in read_events(LABELLED_DIR / "events.jsonl.gz"))
    assert set(topics) == {"location_data", "transaction_data"}
    assert topics.total() == 22_160
    assert sum(1 for _ in read_labels(LABELLED_DIR / "labels.csv")) == 3_314
