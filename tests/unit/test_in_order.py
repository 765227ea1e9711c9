"""sources/files/in_order.py: one order of arrival for events of many files."""

import tempfile
import tracemalloc
from collections.abc import Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inputs import survey
from sources.event_file import Event, read_events, write_events
from sources.files.in_order import MOST_FILES_OPEN, Stream, in_order, sorted_by_arrival
from streaming.errors import ConfigError
from tests.files import input_file

lists_of_times = st.lists(st.integers(0, 20), max_size=30)


def events_at(times_ms: list[int], name: str = "t") -> list[Event]:
    """Events that arrive then, numbered in their order; values as odd as an event file may have them."""
    return [Event(name, None, time_ms, f"{number}\n\ud800") for number, time_ms in enumerate(times_ms)]


def stream(events: list[Event]) -> Stream:
    """A stream of them."""
    times_ms = [event.arrival_ms for event in events]
    return Stream(first_ms=times_ms[0], last_ms=max(times_ms), read=partial(iter, events))


@given(lists_of_times, st.integers(1, 10))
def test_sorting_through_files_is_sorting(times_ms: list[int], most_in_memory: int) -> None:
    """Equal times keep their order; whatever fits into memory."""
    events = events_at(times_ms)
    wanted = sorted(events, key=lambda event: event.arrival_ms)
    assert list(sorted_by_arrival(events, most_in_memory)) == wanted


@given(st.lists(lists_of_times.filter(bool), max_size=5))
def test_streams_are_merged_by_time_and_keep_their_own_order(times_ms: list[list[int]]) -> None:
    """An event that arrived late stays behind the one that it came after."""
    streams = [events_at(times, str(rank)) for rank, times in enumerate(times_ms)]
    merged = list(in_order([stream(events) for events in streams]))
    for rank, events in enumerate(streams):
        assert [event for event in merged if event.topic == str(rank)] == events
    due_ms = {
        (event.topic, event.value): time_ms
        for events in streams
        for event, time_ms in zip(
            events, accumulate((event.arrival_ms for event in events), max), strict=True
        )
    }
    in_turn = [(due_ms[event.topic, event.value], int(event.topic)) for event in merged]
    assert in_turn == sorted(in_turn)


def test_a_stream_is_not_read_before_it_is_due() -> None:
    """GeoLife has 18,670 files, and a process may have 1,024 open."""
    is_open = 0

    def read(first_ms: int) -> Iterator[Event]:
        nonlocal is_open
        is_open += 1
        yield from events_at([first_ms, first_ms + 5])
        is_open -= 1

    streams = [Stream(first_ms=10 * n, last_ms=10 * n + 5, read=partial(read, 10 * n)) for n in range(500)]
    most_open = max(is_open for _ in in_order(streams[::-1]))
    assert most_open <= 2


def test_too_many_files_of_the_same_time_are_sorted_one_after_the_other() -> None:
    """No file is opened beside hundreds of others."""
    is_open = 0

    def read(number: int) -> Iterator[Event]:
        nonlocal is_open
        is_open += 1
        assert is_open == 1
        yield from events_at([number, 1000])
        is_open -= 1

    streams = [Stream(first_ms=n, last_ms=1000, read=partial(read, n)) for n in range(MOST_FILES_OPEN + 1)]
    times_ms = [event.arrival_ms for event in in_order(streams)]
    assert times_ms == [*range(MOST_FILES_OPEN + 1), *[1000] * (MOST_FILES_OPEN + 1)]


def test_a_sorted_file_is_read_in_constant_memory(tmp_path: Path) -> None:
    """Ten times the rows, the same peak but for a little: nothing is kept, and nothing goes to disk."""
    peaks = []
    for rows in (1_000, 10_000):
        path = tmp_path / "walk.csv"
        lines = [f"{1_700_000_000 + number},1,2\n" for number in range(rows)]
        path.write_text("time_s,latitude,longitude\n" + "".join(lines))
        del lines
        tracemalloc.start()
        found = survey([input_file(path)], {"location_data"}, now_ms=None)
        assert sum(1 for _ in found.events()) == found.total == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_files_of_any_order_come_out_in_that_of_their_arrival(tmp_path: Path) -> None:
    """An unsorted table is sorted; an event file is as it is, its order is that of what happened."""
    table, events = tmp_path / "walk.csv", tmp_path / "events.jsonl"
    table.write_text("time_s,latitude,longitude\n9,1,2\n3,1,2\n6,1,2\n")
    write_events(events, events_at([5_000, 2_000, 7_000], "location_data"))
    found = survey([input_file(table), input_file(events)], {"location_data"}, now_ms=None)
    assert [event.arrival_ms for event in found.events()] == [3_000, 5_000, 2_000, 6_000, 7_000, 9_000]
    assert found.oldest_ms_by_topic == {"location_data": 2_000}
    both = survey([input_file(table), input_file(table)], {"location_data"}, now_ms=None)
    assert [event.arrival_ms for event in both.events()] == [3_000, 3_000, 6_000, 6_000, 9_000, 9_000]
    alone = survey([input_file(events)], {"location_data"}, now_ms=None)
    assert list(alone.events()) == list(read_events(events))


def test_a_file_that_changes_between_the_looks_is_an_error(tmp_path: Path) -> None:
    """What was there at the first and is not at the second would be lost in silence."""
    path = tmp_path / "walk.csv"
    path.write_text("time_s,latitude,longitude\n1,1,2\n2,1,2\n")
    found = survey([input_file(path)], {"location_data"}, now_ms=None)
    path.write_text("time_s,latitude,longitude\n1,1,2\n")
    with pytest.raises(
        ConfigError, match=r"walk\.csv: was changed while it was read: it had 2 records, and then 1"
    ):
        list(found.events())


def test_what_is_sorted_on_disk_has_no_name_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds card numbers; not even kill -9 leaves it behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for event in sorted_by_arrival(events_at([3, 2, 1]), most_in_memory=1):
        assert event
        assert not list(tmp_path.iterdir())
