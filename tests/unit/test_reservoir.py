"""A uniform sample: each set of events as likely as any other, also after merging."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.reservoir import Reservoir
from tests.chi_square import assert_follows


def reservoir(seed: int, items: range, size: int = 3) -> Reservoir:
    """One that has seen these numbers, each as a byte or two."""
    made = Reservoir(size, item_bytes=2, seed=seed)
    for item in items:
        made.update(item.to_bytes(2))
    return made


def kept(made: Reservoir) -> list[int]:
    """The numbers in the sample, sorted."""
    return sorted(int.from_bytes(item) for item in made.sample)


def every_three_of(count: int) -> dict[tuple[int, ...], float]:
    """All sets of three, equally likely."""
    sets = list(combinations(range(count), 3))
    return dict.fromkeys(sets, 1 / len(sets))


def test_every_set_of_events_is_equally_likely() -> None:
    """Not only every event: the law of the whole sample."""
    samples = (tuple(kept(reservoir(seed, range(7)))) for seed in range(7000))
    assert_follows(samples, every_three_of(7))


@pytest.mark.parametrize(("mine", "theirs"), [(4, 3), (1, 6), (6, 1), (2, 2), (0, 7), (1, 1)])
def test_every_set_is_equally_likely_after_a_merge_and_more_events(mine: int, theirs: int) -> None:
    """Streams of different lengths, shorter than the sample and longer; two events come after."""

    def sample(seed: int) -> tuple[int, ...]:
        made = reservoir(2 * seed, range(mine))
        made.merge(reservoir(2 * seed + 1, range(mine, mine + theirs)))
        for item in range(mine + theirs, mine + theirs + 2):
            made.update(item.to_bytes(2))
        return tuple(kept(made))

    assert_follows((sample(seed) for seed in range(6000)), every_three_of(mine + theirs + 2))


def test_early_and_late_events_are_equally_likely_in_long_streams() -> None:
    """Skips get long there; a third of the stream comes after a merge, which draws them anew."""

    def tenths(seed: int) -> list[int]:
        made = reservoir(2 * seed, range(600), size=5)
        made.merge(reservoir(2 * seed + 1, range(600, 1000), size=5))
        for item in range(1000, 1500):
            made.update(item.to_bytes(2))
        return [item // 150 for item in kept(made)]

    assert_follows((tenth for seed in range(800) for tenth in tenths(seed)), dict.fromkeys(range(10), 1 / 10))


def test_few_events_are_all_kept() -> None:
    """A reservoir that is larger than its stream holds the stream, and has no error."""
    made = Reservoir(10, item_bytes=1, seed=1)
    assert not made.sample
    assert made.update(b"a")
    assert made.update(b"")
    assert list(made.sample) == [b"a", b""]
    assert made.seen == 2
    assert made.error_bound() == 0


def test_update_says_whether_the_event_is_kept() -> None:
    """Whoever computes from a sample need not do it again while that stays the same."""
    made = Reservoir(2, item_bytes=2, seed=5)
    for number in range(1000):
        before = made.sample
        item = number.to_bytes(2)
        assert made.update(item) == (item in made.sample) == (made.sample != before)


def test_shares_are_within_the_bound() -> None:
    """Hoeffding's, which must hold 99 times of 100, for the share of even numbers."""
    wrong = 0
    for seed in range(300):
        made = reservoir(seed, range(400), size=50)
        share = sum(item % 2 for item in kept(made)) / 50
        wrong += abs(share - 0.5) > made.error_bound()
    assert 0 < made.error_bound() < 0.25
    assert wrong <= 3


@given(
    st.lists(st.binary(max_size=3), max_size=60),
    st.lists(st.binary(max_size=3), max_size=60),
    st.integers(1, 20),
)
def test_a_snapshot_goes_on_as_the_original(before: list[bytes], after: list[bytes], size: int) -> None:
    """What is read back and sees the same events becomes the same, also by merging."""
    made = Reservoir(size, item_bytes=3, seed=7)
    for item in before:
        made.update(item)
    again = Reservoir.from_bytes(made.to_bytes())
    other = Reservoir(size, item_bytes=3, seed=8)
    for item in after:
        assert made.update(item) == again.update(item)
        other.update(item)
    made.merge(other)
    again.merge(Reservoir.from_bytes(other.to_bytes()))
    assert made.to_bytes() == again.to_bytes()
    assert made.seen == len(before) + 2 * len(after)
    assert len(made.sample) == min(size, made.seen)
    assert set(made.sample) <= {*before, *after}


def test_what_cannot_be_sampled_is_refused_and_changes_nothing() -> None:
    """An item that is too long would break the bound on memory."""
    made = Reservoir(1, item_bytes=2, seed=1)
    with pytest.raises(ValueError, match="3 bytes"):
        made.update(b"abc")
    assert made.seen == 0
    for size, item_bytes in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="room"):
            Reservoir(size, item_bytes=item_bytes, seed=1)
    with pytest.raises(ValueError, match="merged"):
        made.merge(Reservoir(2, item_bytes=2, seed=2))


@given(st.integers(0, 200), st.integers(0, 2**32))
def test_an_event_that_is_skipped_need_not_be_there(events: int, seed: int) -> None:
    """The same sample, and the same future."""
    whole, sparing = (Reservoir(5, item_bytes=4, seed=seed) for _ in range(2))
    for number in range(events):
        item = number.to_bytes(4)
        whole.update(item)
        if not sparing.skip(1):
            assert sparing.update(item)
    at_once = Reservoir(5, item_bytes=4, seed=seed)
    number = 0
    while (number := number + at_once.skip(events - number)) < events:
        assert at_once.update(number.to_bytes(4))
        number += 1
    assert at_once.to_bytes() == whole.to_bytes()
    assert sparing.to_bytes() == whole.to_bytes()
