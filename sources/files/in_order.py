"""Events of several files in the order of their arrival, whatever the order in the files."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heapreplace
from itertools import islice
from operator import attrgetter
from typing import Final

from sources.event_file import Event, event_of, line_of
from streaming.errors import ConfigError

_BLOCK_BYTES = 64 * 1024
MOST_IN_MEMORY: Final = 100_000
"""Events that are sorted at once: some 100 MB."""
MOST_FILES_OPEN: Final = 200
"""Below the 1,024 that a process may usually have open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Events that can be read, and when the first and last of them arrive."""

    first_ms: int
    last_ms: int
    read: Callable[[], Iterator[Event]]


def in_order(streams: Sequence[Stream]) -> Iterator[Event]:
    """Merge streams by time of arrival; of equal times the earlier stream goes first.

    The order within a stream is kept: one that goes back in time is taken to stand still meanwhile. A stream
    is read when its first event is due; where too many would be open at once, all are sorted instead.
    """
    if len(streams) == 1:
        yield from streams[0].read()
    elif _most_at_once(streams) > MOST_FILES_OPEN:
        yield from sorted_by_arrival(event for stream in streams for event in stream.read())
    else:
        yield from _merged([(stream.first_ms, stream.read) for stream in streams])


def sorted_by_arrival(events: Iterable[Event], most_in_memory: int = MOST_IN_MEMORY) -> Iterator[Event]:
    """Sort by time of arrival; equal times keep their order. What does not fit into memory goes to disk.

    There it lies in a file without a name under TMPDIR, gone with the process: it holds card numbers.
    Raises ConfigError where there is no room.
    """
    rest = iter(events)
    run = _sorted_run(rest, most_in_memory)
    if len(run) < most_in_memory:
        yield from run
        return
    with tempfile.TemporaryFile() as file:
        runs = []
        while run:
            begin = file.tell()
            try:
                file.writelines(map(line_of, run))
                file.flush()
            except OSError as e:
                raise ConfigError(
                    f"{tempfile.gettempdir()}: no room to sort in: {e.strerror}; TMPDIR names another folder"
                ) from None
            runs.append((run[0].arrival_ms, partial(_written, file.fileno(), begin, file.tell())))
            run = _sorted_run(rest, most_in_memory)
        yield from _merged(runs)


def _merged(streams: Sequence[tuple[int, Callable[[], Iterator[Event]]]]) -> Iterator[Event]:
    heap: list[tuple[int, int, Iterator[Event] | None, Event | None]] = [
        (first_ms, rank, None, None) for rank, (first_ms, _) in enumerate(streams)
    ]
    heapify(heap)
    while heap:
        time_ms, rank, events, event = heap[0]
        if events is None:
            events = streams[rank][1]()
        if event is not None:
            yield event
        following = next(events, None)
        if following is None:
            heappop(heap)
        else:
            heapreplace(heap, (max(time_ms, following.arrival_ms), rank, events, following))


def _sorted_run(events: Iterator[Event], length: int) -> list[Event]:
    return sorted(islice(events, length), key=attrgetter("arrival_ms"))


def _written(descriptor: int, begin: int, end: int) -> Iterator[Event]:
    """Read a sorted run back."""
    begun = b""
    while begin < end:
        block = os.pread(descriptor, min(_BLOCK_BYTES, end - begin), begin)
        begin += len(block)
        *lines, begun = (begun + block).split(b"\n")
        yield from map(event_of, lines)


def _most_at_once(streams: Sequence[Stream]) -> int:
    """How many streams overlap in time."""
    edges = [(stream.first_ms, 1) for stream in streams] + [(stream.last_ms + 1, -1) for stream in streams]
    most = now = 0
    for _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most
