"""What is remembered of a device: a bounded history that does not depend on order or repeats.

A track is a row of slots, each with one fix or none. Time is cut into buckets of eight seconds, aligned to
absolute time; a fix may lie in one slot of each ring:

| ring   | takes buckets       | slots | covers of a phone that reports every few seconds |
|--------|---------------------|-------|---------------------------------------------------|
| dense  | all                 | 53    | 7 minutes, one fix every 8 s                      |
| sparse | every 10th (80 s)   | 7     | 9 minutes, one fix every 80 s                     |
| hours  | every 225th (½ h)   | 4     | 2 hours, one fix every half hour                  |

A ring's n-th bucket has slot n modulo its slots. A slot keeps the greatest fix that ever fell into it, in
one total order of fixes: by time, then accuracy, then the rest (detection/fix_code.py). Hence

    the track of S1 and S2 together = the track of (all fixes in the track of S1) and S2,

because max(S1 | S2) = max({max(S1)} | S2), slot by slot. Order, repeats, crashes and merges make no
difference; nothing depends on which fix is the newest, and what a phone with a wrong clock sends costs one
slot of a ring.

Dense covers the grace period of 300 s, at whose end a final verdict needs the fixes around its transaction;
sparse a transaction that comes 240 s late besides. "Covers" counts the time in which the phone reports: a
phone that is silent for days keeps what it has. 53 is a prime, so that a phone which reports at any usual
interval (1, 5, 10, 60 minutes) fills all slots of the dense ring, one after the other, instead of
overwriting a few of them: every 10 minutes makes 8.8 hours.
"""

from collections.abc import Iterable, Iterator
from struct import unpack
from typing import Final

import msgspec

from detection.fix import Fix
from detection.fix_code import CODE_BYTES, Words, decode, encode, tick_of, words_at

DENSE_SLOTS: Final = 53
# (a ring takes every bucket whose number this divides, how many slots it has, its first slot)
_SPARSE_RINGS: Final = ((10, 7, 53), (225, 4, 60))
_EVERY_SPARSE_BUCKET: Final = 5  # divides the numbers of all buckets that a ring other than dense takes
SLOTS: Final = 64

_OCCUPIED_BYTES: Final = SLOTS // 8
_NO_CODE: Final = bytes(CODE_BYTES)
_ONE_CODE: Final = f"{CODE_BYTES}s"

# What one row of the changelog holds: slots next to each other, so that a row's key is paid for once.
PAGE_SLOTS: Final = 4
PAGE_BYTES: Final = PAGE_SLOTS * CODE_BYTES
PAGES: Final = SLOTS // PAGE_SLOTS
_PAGE_MASK: Final = (1 << PAGE_SLOTS) - 1


class Track(msgspec.Struct, frozen=True, gc=False, eq=False):
    """The fixes of a device that verdicts may still need: 968 bytes at most, whatever it has seen.

    A function of the set of fixes seen. Fixes are kept as detection/fix_code.py has them: times to 16 ms,
    places to a centimetre, speed and accuracy rounded up.
    """

    occupied: int = 0
    """Bit n: slot n holds a fix."""
    codes: bytes = b""
    """Of the occupied slots, in their order: a phone that reports seldom costs little to look at."""
    changed: int = 0
    """Bit n: slot n is newer than in the row that the track was read from."""

    def __eq__(self, other: object) -> bool:
        """Whether they hold the same, however they came to."""
        return isinstance(other, Track) and (self.occupied, self.codes) == (other.occupied, other.codes)

    def __hash__(self) -> int:
        """As equal as they are."""
        return hash((self.occupied, self.codes))

    @classmethod
    def from_row(cls, row: bytes) -> "Track":
        """Read what `row` wrote."""
        return cls(int.from_bytes(row[:_OCCUPIED_BYTES], "big"), row[_OCCUPIED_BYTES:])

    @property
    def row(self) -> bytes:
        """The track in bytes: which slots are occupied, and their codes."""
        return self.occupied.to_bytes(_OCCUPIED_BYTES, "big") + self.codes

    def with_fix(self, fix: Fix) -> "Track":
        """Return the track that has seen `fix`, too: itself where that changes nothing."""
        tick = tick_of(fix.event_time_ns)
        code, bucket = encode(tick, fix), tick >> 8
        track = self.with_code(bucket % DENSE_SLOTS, code)
        if bucket % _EVERY_SPARSE_BUCKET:
            return track
        for every, ring_slots, first_slot in _SPARSE_RINGS:
            if not bucket % every:
                track = track.with_code(first_slot + bucket // every % ring_slots, code)
        return track

    def joined(self, other: "Track") -> "Track":
        """Return the track that has seen what either of the two has."""
        track = self
        for slot in range(SLOTS):
            if other.occupied >> slot & 1:
                track = track.with_code(slot, other.code(slot))
        return track

    def with_code(self, slot: int, code: bytes) -> "Track":
        """Return the track with a fix's code in a slot, unless a greater one is there."""
        codes, bit = self.codes, 1 << slot
        start = (self.occupied & bit - 1).bit_count() * CODE_BYTES
        end = start
        if self.occupied & bit:
            end += CODE_BYTES
            if code <= codes[start:end]:
                return self
        return Track(self.occupied | bit, b"".join((codes[:start], code, codes[end:])), self.changed | bit)

    def code(self, slot: int) -> bytes:
        """The code in a slot; zeros where there is none."""
        if not self.occupied >> slot & 1:
            return _NO_CODE
        start = (self.occupied & (1 << slot) - 1).bit_count() * CODE_BYTES
        return self.codes[start : start + CODE_BYTES]

    def sorted_codes(self) -> list[bytes]:
        """The codes of all fixes, each once, in the order of time."""
        # All cut at once, in half the time of slices; few of them are looked at, so that none is read here.
        return sorted(set(unpack(_ONE_CODE * (len(self.codes) // CODE_BYTES), self.codes)))

    def fixes(self) -> Iterator[Fix]:
        """Every fix that is kept, once, in the order of time."""
        return (decode(words_at(code)) for code in self.sorted_codes())

    def dense_near(self, tick: int, offsets: tuple[int, ...]) -> list[Words]:
        """Fixes in the dense ring's buckets around a time, in the order of `offsets`, without the empty ones.

        `tick` is the time's `tick_of`; an offset counts buckets from its own, negative ones into the past.
        """
        occupied, middle = self.occupied, tick >> 8
        near = []
        for offset in offsets:
            bucket = middle + offset
            bit = 1 << bucket % DENSE_SLOTS
            if occupied & bit:
                code = words_at(self.codes, (occupied & bit - 1).bit_count() * CODE_BYTES)
                if code[0] == bucket:
                    near.append(code)
        return near

    @property
    def newest(self) -> Fix | None:
        """The fix with the latest time of all that were ever seen; None where none was.

        Nothing can push it out of its dense slot but a later one.
        """
        return decode(words_at(self.sorted_codes()[-1])) if self.codes else None

    def page(self, number: int) -> bytes:
        """One page of the track, 0 to PAGES - 1: the value of its row in the changelog."""
        first = number * PAGE_SLOTS
        held = self.occupied >> first & _PAGE_MASK
        start = (self.occupied & (1 << first) - 1).bit_count() * CODE_BYTES
        if held == _PAGE_MASK:
            return self.codes[start : start + PAGE_BYTES]
        page = b""
        for place in range(PAGE_SLOTS):
            if held >> place & 1:
                page += self.codes[start : start + CODE_BYTES]
                start += CODE_BYTES
            else:
                page += _NO_CODE
        return page

    @property
    def pages(self) -> list[int]:
        """Numbers of the pages that hold anything."""
        return _pages_of(self.occupied)

    @property
    def changed_pages(self) -> list[int]:
        """Numbers of the pages that changed since the track was read."""
        return _pages_of(self.changed)

    def with_page(self, number: int, page: bytes) -> "Track":
        """Return the track joined with a page of the same device, as a changelog's row has it.

        Slots that are older than what is known already change nothing: rows may come in any order and
        again, also from a worker that did not know yet that it had lost the partition. Raises ValueError
        where this is no page.
        """
        if len(page) != PAGE_BYTES or not 0 <= number < PAGES:
            raise ValueError(
                f"page {number} has {len(page)} bytes; a track has {PAGES} pages of {PAGE_BYTES}"
            )
        track = self
        for place in range(PAGE_SLOTS):
            code = page[place * CODE_BYTES : (place + 1) * CODE_BYTES]
            if code != _NO_CODE:
                track = track.with_code(number * PAGE_SLOTS + place, code)
        return track


def _pages_of(slots: int) -> list[int]:
    """Numbers of the pages in which any of the slots lies."""
    numbers = []
    while slots:
        number = ((slots & -slots).bit_length() - 1) // PAGE_SLOTS
        numbers.append(number)
        slots &= ~(_PAGE_MASK << number * PAGE_SLOTS)
    return numbers


def track_of(fixes: Iterable[Fix]) -> Track:
    """Return the track of a set of fixes, in any order."""
    track = Track()
    for fix in fixes:
        track = track.with_fix(fix)
    return track
