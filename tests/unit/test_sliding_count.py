"""Counts in sliding windows: within 1 / (2r), always."""

import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.sliding_count import SlidingCount

LONGEST_MS = 1000
gaps = st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, 7, 150, 1200]), max_size=300)


def counted(times_ms: list[int], r: int = 2) -> SlidingCount:
    """A count that has seen events at these times."""
    made = SlidingCount(r, longest_window_ms=LONGEST_MS)
    for time_ms in times_ms:
        made.update(time_ms)
    return made


def assert_bound(made: SlidingCount, times_ms: list[int], window_ms: int, now_ms: int) -> None:
    """The stated error, for the events at these times."""
    truth = sum(now_ms - window_ms < time_ms <= now_ms for time_ms in times_ms)
    assert abs(made.count(window_ms, now_ms) - truth) <= made.error_bound() * truth


@given(gaps, st.integers(1, 5), st.integers(1, LONGEST_MS), st.integers(0, 1500))
def test_every_window_is_within_the_bound(steps: list[int], r: int, window_ms: int, later_ms: int) -> None:
    """For any events: also none in it, many at the same time, and long silence."""
    times = list(accumulate(steps))
    made = counted(times, r)
    assert_bound(made, times, window_ms, (times[-1] if times else 0) + later_ms)


@pytest.mark.parametrize("r", [1, 10, 50])
def test_the_bound_holds_at_every_moment_of_a_long_stream(r: int) -> None:
    """With bursts, in several windows at once; and the memory stays what it is."""
    chance = random.Random(r)
    made, times, largest = SlidingCount(r, longest_window_ms=60_000), [], 0
    time_ms = 0.0
    for number in range(20_000):
        time_ms += chance.expovariate(1 / (2 if number // 3000 % 2 else 40))
        times.append(int(time_ms))
        made.update(times[-1])
        if number % 400 == 0:
            largest = max(largest, len(made.to_bytes()))
            for window_ms in (100, 5_000, 60_000):
                assert_bound(made, times, window_ms, times[-1])
    assert largest <= made.size_bound_bytes()
    assert made.error_bound() == 1 / (2 * r)


@given(gaps, gaps, gaps, st.integers(1, LONGEST_MS))
def test_merged_it_keeps_the_bound_of_one(
    mine: list[int], theirs: list[int], after: list[int], window_ms: int
) -> None:
    """For the events of both streams, and for what comes after."""
    times, other_times = list(accumulate(mine)), list(accumulate(theirs))
    made, other = counted(times), counted(other_times)
    before = other.to_bytes()
    made.merge(other)
    made.merge(counted(other_times))
    every = times + 2 * other_times
    now_ms = max(every, default=0)
    assert_bound(made, every, window_ms, now_ms)
    later = [now_ms + time_ms for time_ms in accumulate(after)]
    for time_ms in later:
        made.update(time_ms)
    assert_bound(made, every + later, window_ms, max([now_ms, *later]))
    assert other.to_bytes() == before
    assert SlidingCount.from_bytes(made.to_bytes()).to_bytes() == made.to_bytes()
    assert len(made.to_bytes()) <= made.size_bound_bytes()


@given(gaps, gaps)
def test_a_snapshot_goes_on_as_the_original(before: list[int], after: list[int]) -> None:
    """To the byte."""
    times = list(accumulate(before + after))
    made = counted(times[: len(before)])
    again = SlidingCount.from_bytes(made.to_bytes())
    for time_ms in times[len(before) :]:
        made.update(time_ms)
        again.update(time_ms)
    assert again.to_bytes() == made.to_bytes()


def test_few_events_are_counted_exactly() -> None:
    """No event, one, and up to r + 1."""
    made = counted([], r=10)
    assert made.count(LONGEST_MS, 5000) == 0
    for number in range(11):
        made.update(5000)
        assert made.count(1, 5000) == number + 1
    assert made.count(LONGEST_MS, 5999) == 11
    assert made.count(LONGEST_MS, 6000) == 0


def test_a_time_that_goes_back_counts_as_of_the_latest() -> None:
    """Nothing is lost; now is never before the latest event."""
    made = counted([5000, 4000, 10])
    assert made.count(1, 0) == 3
    assert made.count(LONGEST_MS, 5999) == 3


def test_what_was_merged_is_forgotten_with_its_window() -> None:
    """Or a count that is merged for ever would grow for ever."""
    made = counted([5000])
    for _ in range(20):
        made.merge(counted([10, 20]))
    assert made.to_bytes() == counted([5000]).to_bytes()


def test_what_makes_no_count_is_refused() -> None:
    """Parameters, times, windows and counts of other parameters."""
    for r, window_ms in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="1 or more"):
            SlidingCount(r, longest_window_ms=window_ms)
    made = counted([1])
    with pytest.raises(ValueError, match="1970"):
        made.update(-1)
    for window_ms in (0, LONGEST_MS + 1):
        with pytest.raises(ValueError, match="window"):
            made.count(window_ms, 1)
    with pytest.raises(ValueError, match="merged"):
        made.merge(SlidingCount(3, longest_window_ms=LONGEST_MS))
