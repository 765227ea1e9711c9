"""A track is a function of the set of fixes seen, small, and dense where verdicts look."""

import sys
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.fix import Fix
from detection.fix_code import decode, encode, tick_of, words_at
from detection.track import DENSE_SLOTS, PAGE_BYTES, PAGES, Track, track_of
from models.times import epoch_ns
from tests.strategies import latitudes, longitudes, moments

NOON_NS = epoch_ns(datetime(2026, 11, 22, 12, tzinfo=UTC))
S_NS = 1_000_000_000


def fix_at(elapsed_s: float, latitude_deg: float = 37.3, accuracy_m: float | None = 5.0) -> Fix:
    """A fix some seconds after noon."""
    return Fix(NOON_NS + round(elapsed_s * S_NS), latitude_deg, -121.9, 1.0, accuracy_m)


def kept(fix: Fix) -> Fix:
    """A fix as a track keeps it."""
    return decode(words_at(encode(tick_of(fix.event_time_ns), fix), 0))


def fixes() -> st.SearchStrategy[Fix]:
    """Fixes that compete for slots: within some rounds of the dense ring, some at any time at all."""
    return st.builds(
        Fix,
        event_time_ns=st.integers(0, 1200).map(lambda s: NOON_NS + s * S_NS) | moments().map(epoch_ns),
        latitude_deg=latitudes(),
        longitude_deg=longitudes(),
        speed_mps=st.none() | st.floats(-1, 400),
        accuracy_m=st.none() | st.sampled_from([3.5, 16.0, 1500.0]),
    )


def some_fixes() -> st.SearchStrategy[list[Fix]]:
    """What a device may send."""
    return st.lists(fixes(), max_size=30)


@given(st.data())
def test_a_track_is_the_set_of_fixes_not_their_order_or_repeats(data: st.DataObject) -> None:
    """A rebalance may replay and reorder; the track must not care."""
    seen = data.draw(some_fixes())
    replay = data.draw(st.permutations(seen + seen[:5]))
    assert track_of(replay) == track_of(seen)


@given(some_fixes(), some_fixes())
def test_what_a_track_dropped_can_never_matter_again(first: list[Fix], then: list[Fix]) -> None:
    """f(f(S1) and S2) = f(S1 and S2), whether fix by fix or joined as tracks."""
    both = track_of([*first, *then])
    assert track_of([*track_of(first).fixes(), *then]) == both
    assert track_of(first).joined(track_of(then)) == both


@given(some_fixes())
def test_the_newest_location_stays_readable(seen: list[Fix]) -> None:
    """By its own time, whatever arrived last."""
    newest = track_of(seen).newest
    if not seen:
        assert newest is None
    else:
        assert newest is not None
        assert tick_of(newest.event_time_ns) == max(tick_of(fix.event_time_ns) for fix in seen)


@given(some_fixes())
def test_a_track_holds_only_what_was_seen_in_order_and_once(seen: list[Fix]) -> None:
    """Rings share fixes; a chain must not count one twice."""
    held = list(track_of(seen).fixes())
    codes = [encode(tick_of(fix.event_time_ns), fix) for fix in held]
    assert codes == sorted(set(codes))
    assert set(held) <= set(map(kept, seen))


def test_a_full_track_takes_at_most_1024_bytes() -> None:
    """As it lies in a table, with the overhead of a Python object."""
    track = track_of(fix_at(elapsed_s) for elapsed_s in range(0, 9000, 5))
    assert len(list(track.fixes())) >= DENSE_SLOTS
    assert sys.getsizeof(track.row) <= 1024
    assert PAGES * PAGE_BYTES <= 1024


def test_one_fix_rewrites_little_of_the_changelog() -> None:
    """One page of sixty bytes, and now and then one of each sparser ring."""
    track, written = Track(), []
    for elapsed_s in range(0, 36_000, 5):
        after = track.with_fix(fix_at(elapsed_s))
        written.append(len(after.changed_pages))
        track = Track.from_row(after.row)
    assert max(written) <= 3
    assert sum(written) / len(written) < 1.2
    assert PAGE_BYTES == 60


def test_a_repeated_fix_changes_nothing() -> None:
    """Nor does it make a new value: nothing is written for it."""
    track = track_of(fix_at(elapsed_s) for elapsed_s in range(0, 3000, 5))
    assert track.with_fix(fix_at(2995)) is track
    assert track.with_fix(fix_at(100)) is track


@pytest.mark.parametrize("interval_s", [1, 5, 7])
def test_minutes_are_dense_behind_the_newest_fix(interval_s: int) -> None:
    """At the end of the grace period a verdict finds fixes next to its transaction."""
    last_s = 7200
    track = track_of(fix_at(elapsed_s) for elapsed_s in range(0, last_s, interval_s))
    times_s = [(fix.event_time_ns - NOON_NS) / S_NS for fix in track.fixes()]
    recent = [time_s for time_s in times_s if time_s >= last_s - 410]
    assert max(later - earlier for earlier, later in pairwise(recent)) <= 16
    assert recent[0] <= last_s - 394


def test_hours_are_covered() -> None:
    """A transaction that comes late, or lies in a gap, finds older fixes."""
    last_s = 36_000
    track = track_of(fix_at(elapsed_s) for elapsed_s in range(0, last_s, 5))
    ages_s = [last_s - (fix.event_time_ns - NOON_NS) / S_NS for fix in track.fixes()]
    assert any(440 < age_s <= 600 for age_s in ages_s)
    assert any(3600 < age_s <= 9000 for age_s in ages_s)


@pytest.mark.parametrize("interval_s", [60, 300, 600, 900, 1800, 3600, 86_400])
def test_a_phone_that_reports_seldom_fills_its_ring(interval_s: int) -> None:
    """Slots are a prime number: no usual interval comes back to the same few."""
    track = track_of(fix_at(number * interval_s) for number in range(200))
    assert len(list(track.fixes())) >= DENSE_SLOTS


def test_a_silent_phone_keeps_its_last_minutes() -> None:
    """Days later the last good fix is still the baseline."""
    before = [fix_at(elapsed_s) for elapsed_s in range(0, 300, 5)]
    track = track_of([*before, fix_at(3 * 86_400)])
    assert len(list(track.fixes())) >= 36


def test_a_phone_with_a_wrong_clock_loses_next_to_nothing() -> None:
    """What lies in the future costs a slot of each ring, at most."""
    right = [fix_at(elapsed_s) for elapsed_s in range(0, 600, 5)]
    held = set(track_of(right).fixes())
    for ahead_s in (299, 86_400, 10 * 365 * 86_400):
        assert len(held - set(track_of([*right, fix_at(600 + ahead_s)]).fixes())) <= 3


def test_of_fixes_at_a_second_the_most_accurate_stays() -> None:
    """A cell tower's position does not replace the satellites'."""
    coarse, good = fix_at(0, 37.4, 2000.0), fix_at(0)
    assert list(track_of([good, coarse]).fixes()) == [kept(good)]


@given(st.data())
def test_a_changelog_restores_the_track_in_any_order_and_with_stale_rows(data: st.DataObject) -> None:
    """A worker that lost its partition may still write what it knew; the reader takes the greater."""
    track, rows = Track(), []
    for fix in data.draw(some_fixes()):
        after = track.with_fix(fix)
        rows += [(number, after.page(number)) for number in after.changed_pages]
        track = Track.from_row(after.row)
    restored = Track()
    for number, page in data.draw(st.permutations(rows + rows[:3])):
        restored = restored.with_page(number, page)
    assert restored == track


@given(some_fixes(), st.integers(0, 1300))
def test_near_buckets_are_those_around_a_time(seen: list[Fix], elapsed_s: int) -> None:
    """Slots that hold another round of the ring are passed over."""
    tick = tick_of(NOON_NS + elapsed_s * S_NS)
    found = [decode(code) for code in track_of(seen).dense_near(tick, (1, 0, -1, -2))]
    assert found == sorted(found, key=lambda fix: -fix.event_time_ns)
    assert all(-24 < (fix.event_time_ns - NOON_NS) / S_NS - elapsed_s < 16 for fix in found)


@pytest.mark.parametrize(
    ("number", "page"), [(0, b""), (0, bytes(PAGE_BYTES + 1)), (PAGES, bytes(PAGE_BYTES))]
)
def test_what_is_no_page_is_refused(number: int, page: bytes) -> None:
    """A row of another layout must not shift the slots behind it."""
    with pytest.raises(ValueError, match="page"):
        Track().with_page(number, page)
