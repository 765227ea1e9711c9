"""Which cases of a partition are open, and which may be forgotten. In memory: the rows lie in a table."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from models.case import Case
from models.decision import Decision

ALWAYS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_LENGTH_BYTES: Final = 2
_Deadline = tuple[int, bytes, bytes]

# So long by the clock on the wall a closed case is kept in any case: its transaction may be read again after
# a crash as long as its offset is not committed, and a backlog's hours of stream time pass in seconds.
_KEPT_AT_LEAST_S: Final = 60.0


def case_key(device: bytes, transaction_id: str) -> bytes:
    """The key of a case's row: length of the device id, device id, transaction id."""
    return b"%b%b%b" % (len(device).to_bytes(_LENGTH_BYTES, "big"), device, transaction_id.encode())


def device_of(key: bytes) -> bytes:
    """The device id, UTF-8, in the key of a case."""
    return key[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(key[:_LENGTH_BYTES], "big")]


class StreamTime:
    """How far the record timestamps of a partition have come, in milliseconds since the epoch.

    It is the latest time that two devices have reached: one whose clock runs ahead does not move it.
    """

    __slots__ = ("_latest_device", "_latest_ms", "_second_ms")

    def __init__(self) -> None:
        self._latest_device = b""
        self._latest_ms = 0
        self._second_ms = 0  # of all other devices

    @property
    def ms(self) -> int:
        """The time; of the only device where there is one, 0 before the first record."""
        return self._second_ms or self._latest_ms

    def observe(self, device: bytes, record_ms: int) -> None:
        """Take note of a record."""
        if device == self._latest_device:
            self._latest_ms = max(self._latest_ms, record_ms)
        elif record_ms > self._latest_ms:
            self._second_ms = self._latest_ms
            self._latest_ms, self._latest_device = record_ms, device
        elif record_ms > self._second_ms:
            self._second_ms = record_ms


@dataclass(slots=True)
class OpenCase:
    """A case that may still change. `is_stale`: locations came since it was judged.

    Locations of times from `since` to `until` may speak against its verdict.
    """

    key: bytes
    device: bytes
    case: Case
    decision: Decision
    is_stale: bool
    since: datetime
    until: datetime


class Docket:
    """The open cases of one partition, by device and by deadline, and the closed ones by age.

    Memory: some 1.5 kB for an open case, 200 bytes for a closed one.
    """

    def __init__(self) -> None:
        self.time = StreamTime()
        self._open: dict[bytes, dict[bytes, OpenCase]] = {}  # device -> key -> case
        # Deadline, key and device; what was closed meanwhile stays in them. Those opened a while ago are a
        # heap, the others in the order in which they were opened.
        self._deadlines: list[_Deadline] = []
        self._fresh: deque[tuple[float, _Deadline]] = deque()  # opened at
        self._rows: set[bytes] = set()
        self._closed: deque[tuple[int, float, bytes]] = deque()  # deadline, closed at, key
        self._open_count = 0

    def __len__(self) -> int:
        """How many cases are open."""
        return self._open_count

    def __contains__(self, key: bytes) -> bool:
        """Whether the case has a row."""
        return key in self._rows

    def open(
        self,
        key: bytes,
        device: bytes,
        case: Case,
        decision: Decision,
        between: tuple[datetime, datetime] = ALWAYS,
        *,
        now_s: float,
        is_stale: bool = False,
    ) -> None:
        """Enter a case that may still change, by a location between two times."""
        self._rows.add(key)
        self._open.setdefault(device, {})[key] = OpenCase(key, device, case, decision, is_stale, *between)
        self._fresh.append((now_s, (case.deadline_ms, key, device)))
        self._open_count += 1

    def close(self, key: bytes, device: bytes, deadline_ms: int, now_s: float) -> None:
        """Enter a case that does not change any more; it may have been open before."""
        self._rows.add(key)
        self._closed.append((deadline_ms, now_s, key))
        cases = self._open.get(device)
        if cases is not None and cases.pop(key, None) is not None:
            self._open_count -= 1
            if not cases:
                del self._open[device]

    def of_device(self, device: bytes) -> tuple[OpenCase, ...]:
        """The open cases of a device."""
        cases = self._open.get(device)
        return tuple(cases.values()) if cases else ()

    def due(self, most_open: int, oldest_s: float) -> Iterator[OpenCase]:
        """Open cases whose deadline the stream has passed, and the earliest of more than `most_open`.

        Of the former only those that were opened at `oldest_s` or before. Whoever takes one closes it before
        the next.
        """
        while self._fresh and (self._fresh[0][0] <= oldest_s or self._open_count > most_open):
            heapq.heappush(self._deadlines, self._fresh.popleft()[1])
        while self._deadlines and (self._deadlines[0][0] < self.time.ms or self._open_count > most_open):
            _, key, device = heapq.heappop(self._deadlines)
            cases = self._open.get(device)
            if cases is not None and key in cases:
                yield cases[key]

    def rests(self, most_open: int, oldest_s: float, keep_ms: int) -> bool:
        """Whether `due` and `forgotten` have nothing to yield: asked for each record, it costs a third."""
        now_ms = self.time.ms
        return (
            self._open_count <= most_open
            and not (self._deadlines and self._deadlines[0][0] < now_ms)
            and not (self._fresh and self._fresh[0][0] <= oldest_s)
            and not (self._closed and self._closed[0][0] < now_ms - keep_ms)
        )

    def silent_for(self, silent_ms: float) -> tuple[OpenCase, ...]:
        """Open cases whose deadline must have passed where the partition brought nothing for so long.

        By the clock on the wall, whatever the records' timestamps say.
        """
        return tuple(
            each
            for cases in self._open.values()
            for each in cases.values()
            if silent_ms >= each.case.deadline_ms - each.case.record_ms
        )

    def all_open(self) -> tuple[OpenCase, ...]:
        """Every open case, in the order of the deadlines."""
        cases = [each for cases in self._open.values() for each in cases.values()]
        return tuple(sorted(cases, key=lambda each: (each.case.deadline_ms, each.key)))

    def forgotten(self, keep_ms: int, now_s: float) -> Iterator[bytes]:
        """Forget the closed cases whose deadline the stream has passed by `keep_ms`; yield their keys."""
        oldest_ms, oldest_s = self.time.ms - keep_ms, now_s - _KEPT_AT_LEAST_S
        while self._closed and self._closed[0][0] < oldest_ms and self._closed[0][1] <= oldest_s:
            _, _, key = self._closed.popleft()
            self._rows.discard(key)
            yield key
