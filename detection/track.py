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

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

import msgspec

from detection.fix import Fix
from detection.fix_code import (
    CODE_BYTES,
    Words,
    decode,
    encode,
    tick_of,
    words,
    words_at,
)

DENSE_SLOTS: Final = 53
# (a ring takes every bucket whose number this divides, how many slots it has, its first slot)
_SPARSE_RINGS: Final = ((10, 7, 53), (225, 4, 60))
_EVERY_SPARSE_BUCKET: Final = 5  # divides the numbers of all buckets that a ring other than dense takes
SLOTS: Final = 64

TRACK_BYTES: Final = SLOTS * CODE_BYTES
_EMPTY: Final = bytes(TRACK_BYTES)
_BUCKETS: Final = Struct(">" + "I11x" * DENSE_SLOTS)  # the first field of each code in the dense ring

# What one row of the changelog holds: slots next to each other, so that a row's key is paid for once.
PAGE_SLOTS: Final = 4
PAGE_BYTES: Final = PAGE_SLOTS * CODE_BYTES
PAGES: Final = SLOTS // PAGE_SLOTS


class Track(msgspec.Struct, frozen=True, gc=False):
    """The fixes of a device that verdicts may still need: 960 bytes, whatever it has seen.

    A function of the set of fixes seen. Fixes are kept as detection/fix_code.py has them: times to 16 ms,
    places to a centimetre, speed and accuracy rounded up.
    """

    slots: bytes = _EMPTY

    def with_fix(self, fix: Fix) -> "Track":
        """Return the track that has seen `fix`, too: itself where that changes nothing."""
        slots = self.slots
        tick = tick_of(fix.event_time_ns)
        code = encode(tick, fix)
        bucket = tick >> 8
        start = bucket % DENSE_SLOTS * CODE_BYTES
        end = start + CODE_BYTES
        if code > slots[start:end]:
            slots = b"".join((slots[:start], code, slots[end:]))
        if not bucket % _EVERY_SPARSE_BUCKET:
            slots = _with_sparse(slots, bucket, code)
        return self if slots is self.slots else Track(slots)

    def joined(self, other: "Track") -> "Track":
        """Return the track that has seen what either of the two has."""
        slots = b"".join(
            max(self.slots[start : start + CODE_BYTES], other.slots[start : start + CODE_BYTES])
            for start in range(0, TRACK_BYTES, CODE_BYTES)
        )
        return self if slots == self.slots else Track(slots)

    def sorted_words(self) -> list[Words]:
        """The codes of all fixes, each once, in the order of time; `fix_code.decode` reads them."""
        held = words(self.slots)
        codes = [code for code in held[:DENSE_SLOTS] if code[0]]
        codes += [code for code in set(held[DENSE_SLOTS:]) if code[0] and held[code[0] % DENSE_SLOTS] != code]
        codes.sort()
        return codes

    def fixes(self) -> Iterator[Fix]:
        """Every fix that is kept, once, in the order of time."""
        return map(decode, self.sorted_words())

    def dense_near(self, tick: int, offsets: tuple[int, ...]) -> list[Words]:
        """Fixes in the dense ring's buckets around a time, in the order of `offsets`, without the empty ones.

        `tick` is the time's `tick_of`; an offset counts buckets from its own, negative ones into the past.
        """
        slots, middle = self.slots, tick >> 8
        near = []
        for offset in offsets:
            bucket = middle + offset
            code = words_at(slots, bucket % DENSE_SLOTS * CODE_BYTES)
            if code[0] == bucket:
                near.append(code)
        return near

    def dense_next_to(self, tick: int, count: int) -> list[Words]:
        """Up to `count` fixes of the dense ring on either side of a time, latest first, however far away.

        The fix in the bucket of the time itself counts as before. Five times as dear as `dense_near`.
        """
        buckets = _BUCKETS.unpack_from(self.slots)
        order = sorted(range(DENSE_SLOTS), key=buckets.__getitem__)
        split = bisect_right(order, tick >> 8, key=buckets.__getitem__)
        return [
            words_at(self.slots, slot * CODE_BYTES)
            for slot in reversed(order[max(split - count, 0) : split + count])
            if buckets[slot]
        ]

    @property
    def newest(self) -> Fix | None:
        """The fix with the latest time of all that were ever seen; None where none was.

        Nothing can push it out of its dense slot but a later one.
        """
        held = self.sorted_words()
        return decode(held[-1]) if held else None

    def page(self, number: int) -> bytes:
        """One page of the track, 0 to PAGES - 1: the value of its row in the changelog."""
        return self.slots[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]

    def pages_changed_since(self, earlier: "Track") -> list[int]:
        """Numbers of the pages that differ from those of an earlier track."""
        return [number for number in range(PAGES) if self.page(number) != earlier.page(number)]

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
        start = number * PAGE_BYTES
        return self.joined(Track(self.slots[:start] + page + self.slots[start + PAGE_BYTES :]))


def _with_sparse(slots: bytes, bucket: int, code: bytes) -> bytes:
    """Put a fix's code into the rings other than dense that take its bucket."""
    for every, ring_slots, first_slot in _SPARSE_RINGS:
        if not bucket % every:
            start = (first_slot + bucket // every % ring_slots) * CODE_BYTES
            end = start + CODE_BYTES
            if code > slots[start:end]:
                slots = b"".join((slots[:start], code, slots[end:]))
    return slots


def track_of(fixes: Iterable[Fix]) -> Track:
    """Return the track of a set of fixes, in any order."""
    track = Track()
    for fix in fixes:
        track = track.with_fix(fix)
    return track
