"""A weighted sample: drawn like lots without replacement, also after merging."""

from itertools import permutations
from math import inf, nan, sqrt
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.weighted_reservoir import WeightedReservoir
from tests.chi_square import assert_follows

WEIGHTS = {b"a": 1.0, b"b": 2.0, b"c": 3.0, b"d": 4.0, b"e": 10.0}


def reservoir(seed: int, items: bytes) -> WeightedReservoir:
    """One of three that has seen these items, a byte each, with their weights."""
    made = WeightedReservoir(3, item_bytes=1, seed=seed)
    for item in items:
        made.update(bytes([item]), WEIGHTS[bytes([item])])
    return made


def drawn(made: WeightedReservoir) -> bytes:
    """The items in the order in which they would be drawn."""
    return b"".join(item for item, _ in made.sample)


def every_draw() -> dict[bytes, float]:
    """All draws of three, one after the other by weight, with their chances."""
    draws = {}
    for draw in permutations(WEIGHTS, 3):
        left, chance = sum(WEIGHTS.values()), 1.0
        for item in draw:
            chance *= WEIGHTS[item] / left
            left -= WEIGHTS[item]
        draws[b"".join(draw)] = chance
    return draws


@pytest.mark.parametrize("order", [b"abcde", b"edcba", b"cedab"])
def test_items_are_drawn_by_weight_whatever_their_order(order: bytes) -> None:
    """The law of the whole draw, as Efraimidis and Spirakis define it."""
    assert_follows((drawn(reservoir(seed, order)) for seed in range(8000)), every_draw())


@pytest.mark.parametrize(
    ("mine", "theirs", "after"),
    [(b"abcd", b"e", b""), (b"eb", b"ca", b"d"), (b"abc", b"d", b"e"), (b"", b"eda", b"cb")],
)
def test_items_are_drawn_by_weight_after_a_merge(mine: bytes, theirs: bytes, after: bytes) -> None:
    """And so are those that come after it."""

    def draw(seed: int) -> bytes:
        made = reservoir(2 * seed, mine)
        made.merge(reservoir(2 * seed + 1, theirs))
        for item in after:
            made.update(bytes([item]), WEIGHTS[bytes([item])])
        return drawn(made)

    assert_follows((draw(seed) for seed in range(8000)), every_draw())


def test_the_weight_of_a_part_of_the_stream_is_estimated_without_bias() -> None:
    """And within the bound, by itself and after a merge."""
    amounts = [1 + number % 7 * 10 for number in range(300)]
    truth = sum(amounts[::3])
    estimates, wrong = [], 0
    for seed in range(300):
        halves = [WeightedReservoir(40, item_bytes=2, seed=2 * seed + half) for half in (0, 1)]
        for number, amount in enumerate(amounts):
            halves[number % 2].update(number.to_bytes(2), amount)
        made, other = halves
        made.merge(other)
        estimate = made.estimated_weight(lambda item: int.from_bytes(item) % 3 == 0)
        estimates.append(estimate)
        wrong += abs(estimate - truth) > made.error_bound() * sum(amounts)
    assert abs(mean(estimates) - truth) < 4 * stdev(estimates) / sqrt(300)
    assert stdev(estimates) <= sum(amounts) / sqrt(38)
    assert wrong <= 3


def test_a_small_sample_has_no_bias_either() -> None:
    """Where one event too many would count most."""
    amounts = [1 + number % 7 * 10 for number in range(60)]
    estimates = []
    for seed in range(400):
        made = WeightedReservoir(5, item_bytes=1, seed=seed)
        for number, amount in enumerate(amounts):
            made.update(bytes([number]), amount)
        estimates.append(made.estimated_weight(lambda _: True))
    assert abs(mean(estimates) - sum(amounts)) < 4 * stdev(estimates) / sqrt(400)


def test_few_events_are_all_kept_and_their_weight_is_exact() -> None:
    """One of weight 0 is never drawn."""
    made = WeightedReservoir(5, item_bytes=1, seed=1)
    assert made.estimated_weight(lambda _: True) == 0
    assert made.update(b"a", 2.5)
    assert not made.update(b"z", 0)
    assert made.update(b"b", 1e100)
    assert sorted(made.sample) == [(b"a", 2.5), (b"b", 1e100)]
    assert made.estimated_weight(lambda item: item == b"a") == 2.5
    assert made.error_bound() == 0
    assert made.seen == 2


@given(
    st.lists(
        st.tuples(st.binary(max_size=2), st.sampled_from([0, 1e-100, 1e-9, 0.5, 1, 99.5, 1e9, 1e100])),
        max_size=40,
    ),
    st.integers(3, 9),
)
def test_a_snapshot_goes_on_as_the_original(events: list[tuple[bytes, float]], size: int) -> None:
    """Weights from one end of the range to the other among them."""
    made = WeightedReservoir(size, item_bytes=2, seed=3)
    for item, weight in events:
        made.update(item, weight)
    again = WeightedReservoir.from_bytes(made.to_bytes())
    for item, weight in events:
        assert made.update(item, weight) == again.update(item, weight)
    other = WeightedReservoir.from_bytes(made.to_bytes())
    made.merge(other)
    again.merge(other)
    assert made.to_bytes() == again.to_bytes()
    assert len(made.sample) == min(size, made.seen)
    assert WeightedReservoir.from_bytes(made.to_bytes()).sample == made.sample


@pytest.mark.parametrize("weight", [-1, -1e-300, nan, inf, -inf, 1e-101, 1e101])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    """It would make every later draw wrong."""
    made = WeightedReservoir(3, item_bytes=1, seed=1)
    with pytest.raises(ValueError, match="weight"):
        made.update(b"a", weight)
    assert made.seen == 0


def test_what_does_not_fit_is_refused() -> None:
    """Items, sizes, and reservoirs of another size."""
    made = WeightedReservoir(3, item_bytes=1, seed=1)
    with pytest.raises(ValueError, match="2 bytes"):
        made.update(b"ab", 1)
    with pytest.raises(ValueError, match="room"):
        WeightedReservoir(2, item_bytes=1, seed=1)
    with pytest.raises(ValueError, match="merged"):
        made.merge(WeightedReservoir(4, item_bytes=1, seed=1))


@given(st.lists(st.one_of(st.just(0.0), st.floats(0.1, 100)), max_size=200), st.integers(0, 2**32))
def test_an_event_that_is_skipped_need_not_be_there(weights: list[float], seed: int) -> None:
    """The same sample, and the same future."""
    whole, sparing = (WeightedReservoir(5, item_bytes=4, seed=seed) for _ in range(2))
    for number, weight in enumerate(weights):
        item = number.to_bytes(4)
        whole.update(item, weight)
        if not sparing.skips(weight):
            assert sparing.update(item, weight)
    assert sparing.to_bytes() == whole.to_bytes()
