"""How many events there were in the last minutes or hours, in little memory."""

from bisect import bisect_right
from collections import deque
from typing import Final, Self

import msgspec

from sketches.sketch import from_frame, to_frame

_HEAD_BYTES: Final = 64
_TIME_BYTES: Final = 9
_LEVEL_HEAD_BYTES: Final = 5
_LEVELS: Final = 44
"""So many sizes of buckets, each twice the last: 2**44 events in the longest window."""


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sliding_count"):
    r: int
    longest_window_ms: int
    latest_ms: int
    levels: list[list[int]]
    merged: list[list[list[int]]]


class _Buckets:
    """Buckets of 1, 2, 4, … events, by the time of the latest event in each; for one stream."""

    __slots__ = ("levels",)

    def __init__(self, levels: list[list[int]]) -> None:
        self.levels = [deque(level) for level in levels]  # of size 1, 2, 4, …; in each the oldest first

    def add(self, time_ms: int, most: int) -> None:
        """Enter an event, not before the latest; the two oldest of too many of a size become one."""
        for level in self.levels:
            level.append(time_ms)
            if len(level) <= most:
                return
            level.popleft()
            time_ms = level.popleft()
        self.levels.append(deque((time_ms,)))

    def forget(self, until_ms: int) -> None:
        """Drop the buckets whose latest event was at this time or before: the largest are the oldest."""
        levels = self.levels
        while levels:
            oldest = levels[-1]
            while oldest and oldest[0] <= until_ms:
                oldest.popleft()
            if oldest:
                return
            levels.pop()

    def since(self, after_ms: int) -> float:
        """About how many events were after this time: of the oldest bucket at least one was, any more may."""
        total, oldest_size = 0, 0
        for number, level in enumerate(self.levels):
            inside = len(level) - bisect_right(level, after_ms)
            if inside:
                total += inside << number
                oldest_size = 1 << number
        return total - (oldest_size - 1) / 2 if total else 0.0


class SlidingCount:
    """The number of events in any window that ends now and is no longer than the longest.

    An exponential histogram (Datar, Gionis, Indyk, Motwani: Maintaining stream statistics over sliding
    windows, SIAM J. Comput. 31, 2002): buckets of 1, 2, 4, … events, r or r + 1 of each size but the largest.
    Only in the oldest bucket of a window is it not known how many of its C events are inside: half of it is
    counted. The error is (C - 1) / 2 at most, and the count at least 1 + r (C - 1): so it is less than
    1 / (2r) of the count. Up to r + 1 events are counted exactly.

    An event whose time lies before the latest one counts as of the latest: times are record timestamps, in
    milliseconds, in about their order.

    Merging keeps the buckets of each stream beside the others. Each count is within 1 / (2r) of its own, so
    that their sum is, too: the merged count keeps this bound, and takes the memory of both. Buckets of both
    made into one histogram would have the error 1/r + 1/(4r²) (Papapetrou, Garofalakis, Deligiannakis:
    Sketch-based querying of distributed sliding-window data streams, PVLDB 5, 2012). What comes after a merge
    is counted in this one's own.
    """

    __slots__ = ("_latest_ms", "_longest_window_ms", "_merged", "_own", "_r")

    def __init__(self, r: int, *, longest_window_ms: int) -> None:
        if r < 1 or longest_window_ms < 1:
            raise ValueError(f"r and the window must be 1 or more, not {r} and {longest_window_ms} ms")
        self._r = r
        self._longest_window_ms = longest_window_ms
        self._latest_ms = 0
        self._own = _Buckets([])
        self._merged: list[_Buckets] = []

    def update(self, time_ms: int) -> None:
        """Count an event. Raises ValueError for a time before 1970."""
        if time_ms < 0:
            raise ValueError(f"a time of {time_ms} ms lies before 1970")
        self._latest_ms = max(time_ms, self._latest_ms)
        self._own.add(self._latest_ms, self._r + 1)
        self._own.forget(self._latest_ms - self._longest_window_ms)

    def count(self, window_ms: int, now_ms: int) -> float:
        """About how many events there were from `window_ms` ago, not included, until now.

        Now is the time of the latest event where that is later. Raises ValueError for a window that is
        longer than the longest.
        """
        if not 0 < window_ms <= self._longest_window_ms:
            raise ValueError(f"a window of {window_ms} ms is not within {self._longest_window_ms} ms")
        after_ms = max(now_ms, self._latest_ms) - window_ms
        return sum(buckets.since(after_ms) for buckets in (self._own, *self._merged))

    def merge(self, other: Self) -> None:
        """Count the other stream's events, too, with the same relative error."""
        if (self._r, self._longest_window_ms) != (other._r, other._longest_window_ms):
            raise ValueError("counts with another r or longest window cannot be merged")
        self._latest_ms = max(self._latest_ms, other._latest_ms)
        for buckets in (other._own, *other._merged):
            self._merged.append(_Buckets([list(level) for level in buckets.levels]))
        for buckets in (self._own, *self._merged):
            buckets.forget(self._latest_ms - self._longest_window_ms)
        self._merged = [buckets for buckets in self._merged if buckets.levels]

    def error_bound(self) -> float:
        """1 / (2r): the most by which a count is wrong, as a share of the true one. Always."""
        return 1 / (2 * self._r)

    def size_bound_bytes(self) -> int:
        """For each stream that was merged into it 9 bytes for each of (r + 1) 44 buckets, and a little."""
        streams = 1 + len(self._merged)
        return _HEAD_BYTES + streams * _LEVELS * ((self._r + 1) * _TIME_BYTES + _LEVEL_HEAD_BYTES)

    def to_bytes(self) -> bytes:
        """The whole state."""
        own, *merged = ([list(level) for level in buckets.levels] for buckets in (self._own, *self._merged))
        return to_frame(_State(self._r, self._longest_window_ms, self._latest_ms, own, merged))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        state = from_frame(data, _State)
        count = cls(state.r, longest_window_ms=state.longest_window_ms)
        for levels in (state.levels, *state.merged):
            newest_first = [time_ms for level in levels for time_ms in reversed(level)]
            if (
                newest_first != sorted(newest_first, reverse=True)
                or len(levels) > _LEVELS
                or any(len(level) > state.r + 1 for level in levels)
                or any(time_ms > state.latest_ms for time_ms in newest_first)
            ):
                raise ValueError("these bytes are no sliding count: its buckets contradict each other")
        count._latest_ms = state.latest_ms
        count._own = _Buckets(state.levels)
        count._merged = [_Buckets(levels) for levels in state.merged]
        return count
