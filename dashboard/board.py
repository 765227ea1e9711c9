"""What the live page shows, in bounded memory: devices and their tracks, flagged transactions, counts.

Every change has a number. Whoever has seen the changes up to one asks for what came since: nothing is queued
for anybody, and who asks seldom gets less and newer.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from dashboard.counts import Counts
from dashboard.track import Fix, Track
from models.flagged_transaction import FlaggedTransaction
from models.judgement import Verdict
from models.location_fix import LocationFix


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much a board holds, and for how long."""

    history_s: float
    devices: int
    fixes: int
    """Of a device."""
    flagged: int


class VerdictLine(msgspec.Struct, frozen=True, gc=False):
    """What the page counts of a decision; the rest of it is not read."""

    verdict: Verdict
    revision: int


Message = LocationFix | FlaggedTransaction | VerdictLine
FlagKey = tuple[str, str]
"""Device id and transaction id."""


@dataclass(frozen=True, slots=True)
class Flag:
    """The line that stands on a transaction, and when it came."""

    number: int
    heard_ms: int
    line: FlaggedTransaction

    @property
    def key(self) -> FlagKey:
        """What it is known by."""
        return self.line.device_id, self.line.transaction_id


class Board:
    """Takes messages in any order, some of them again. Not for two threads at a time."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._history_ms = int(bounds.history_s * 1000)
        self._tracks: OrderedDict[str, Track] = OrderedDict()  # the last to change at the end
        self._flags: OrderedDict[FlagKey, Flag] = OrderedDict()  # likewise
        self.counts = Counts(self._history_ms)
        self.number = 0
        """Of the last change."""

    def take(self, message: Message, heard_ms: int) -> None:
        """Take what was heard at a time, milliseconds since the epoch."""
        if isinstance(message, LocationFix):
            self._locate(message, heard_ms)
        elif isinstance(message, FlaggedTransaction):
            self._flag(message, heard_ms)
        elif message.revision == 1:
            self.counts.add(f"first_{message.verdict}", heard_ms)

    def forget(self, now_ms: int) -> None:
        """Let go of what was heard too long ago."""
        oldest_ms = now_ms - self._history_ms
        while self._tracks and next(iter(self._tracks.values())).heard_ms < oldest_ms:
            self._tracks.popitem(last=False)
        while self._flags and next(iter(self._flags.values())).heard_ms < oldest_ms:
            self._flags.popitem(last=False)

    @property
    def devices(self) -> int:
        """How many are on the board."""
        return len(self._tracks)

    @property
    def flagged(self) -> int:
        """How many flagged transactions are, retracted ones too."""
        return len(self._flags)

    def track(self, device_id: str) -> Track | None:
        """The track of a device."""
        return self._tracks.get(device_id)

    def flag(self, key: FlagKey) -> Flag | None:
        """What stands on a transaction."""
        return self._flags.get(key)

    def tracks(self) -> Iterator[tuple[str, Track]]:
        """All devices, the one that was silent longest first."""
        yield from self._tracks.items()

    def tracks_since(self, number: int) -> Iterator[tuple[str, Track]]:
        """The devices that changed after a change, the last one first."""
        for device_id in reversed(self._tracks):
            track = self._tracks[device_id]
            if track.number <= number:
                return
            yield device_id, track

    def flags_since(self, number: int) -> Iterator[Flag]:
        """The same of the flagged transactions."""
        for key in reversed(self._flags):
            flag = self._flags[key]
            if flag.number <= number:
                return
            yield flag

    def _locate(self, fix: LocationFix, heard_ms: int) -> None:
        self.counts.add("locations", heard_ms)
        track = self._tracks.get(fix.device_id) or Track(self._bounds.fixes)
        time_ms = fix.event_time_ns // 1_000_000
        speed_mps = None if fix.speed_mps is None or fix.speed_mps < 0 else fix.speed_mps
        place = (fix.latitude_deg, fix.longitude_deg, speed_mps, fix.altitude_m)
        if not track.add(Fix(self.number + 1, time_ms, *place)):
            return
        self.number += 1
        track.heard_ms = heard_ms
        self._tracks[fix.device_id] = track
        self._tracks.move_to_end(fix.device_id)
        if len(self._tracks) > self._bounds.devices:
            self._tracks.popitem(last=False)

    def _flag(self, line: FlaggedTransaction, heard_ms: int) -> None:
        key = line.device_id, line.transaction_id
        before = self._flags.get(key)
        if before is not None and before.line.revision >= line.revision:
            return  # delivered again, or late
        self.counts.add(line.event, heard_ms)
        self.number += 1
        self._flags[key] = Flag(self.number, heard_ms, line)
        self._flags.move_to_end(key)
        if len(self._flags) > self._bounds.flagged:
            self._flags.popitem(last=False)
