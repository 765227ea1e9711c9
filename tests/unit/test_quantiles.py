"""Quantiles: ranks within the proven bound, exact while few, and the same again from a snapshot."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.quantiles import Quantiles

SHARES = [share / 50 for share in range(51)]
finite = st.floats(-1e9, 1e9)


def summed_up(values: list[float], seed: int = 0) -> Quantiles:
    """The sketch of some values."""
    sketch = Quantiles(seed)
    for value in values:
        sketch.update(value)
    return sketch


def rank_error(sketch: Quantiles, values: list[float]) -> float:
    """The greatest error of rank, of quantiles asked for by share, and of ranks asked for by value."""
    ordered, worst = sorted(values), 0.0
    for share, value in zip(SHARES, sketch.quantiles(SHARES), strict=True):
        assert value is not None
        low, high = bisect_left(ordered, value) / len(values), bisect_right(ordered, value) / len(values)
        rank = sketch.rank(value)
        assert rank is not None
        worst = max(worst, low - share, share - high, abs(rank - high))
    return worst


STREAMS: dict[str, Callable[[Random], float]] = {
    "amounts": lambda random: round(random.lognormvariate(3.6, 1), 2),
    "even": lambda random: random.random(),
    "few values": lambda random: float(random.randrange(5)),
    "ends of a valley": lambda random: random.betavariate(0.1, 0.1),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("parts", [1, 7])
def test_ranks_are_within_the_proven_bound(name: str, parts: int) -> None:
    """Of one sketch, and of several that were merged, for any distribution and order."""
    random = Random(4)
    values = [STREAMS[name](random) for _ in range(50_000)]
    sketches = [summed_up(values[part::parts], seed=part) for part in range(parts)]
    merged = sketches[0]
    for sketch in sketches[1:]:
        merged.merge(sketch)
    assert merged.count == len(values)
    assert (merged.least, merged.most) == (min(values), max(values))
    assert rank_error(merged, values) <= merged.error_bound() < 0.011
    assert len(merged.to_bytes()) < merged.size_bound_bytes() < 26_000


def test_the_bound_is_of_use_and_holds_for_other_coins() -> None:
    """An error that nobody sees would be no error: the mean over many seeds is there, and far below."""
    random = Random(5)
    values = [random.random() for _ in range(4_000)]
    errors = [
        rank_error(sketch := summed_up(values, seed), values) / sketch.error_bound() for seed in range(40)
    ]
    assert 0.02 < sum(errors) / len(errors) < 0.7
    assert max(errors) <= 1


@given(st.lists(finite, max_size=60), st.lists(finite, max_size=60))
def test_few_values_are_kept_exactly_and_merge_exactly(one: list[float], two: list[float]) -> None:
    """Quantiles are values that came: the least with a share of them not above it."""
    merged = summed_up(one)
    merged.merge(summed_up(two))
    both = sorted(value + 0.0 for value in [*one, *two])
    assert merged.to_bytes() == summed_up(both).to_bytes()
    assert merged.error_bound() == 0
    assert merged.quantiles([0, 0.5, 1]) == (
        [both[0], both[math.ceil(len(both) / 2) - 1], both[-1]] if both else [None] * 3
    )
    if both:
        assert merged.rank(both[0]) == bisect_right(both, both[0]) / len(both)


@given(st.integers(0, 3_000), st.integers(0, 3_000), st.integers(0, 9))
def test_a_snapshot_goes_on_as_the_undisturbed_sketch_does(before: int, after: int, seed: int) -> None:
    """Byte for byte: coins are part of the state."""
    random = Random(seed)
    values = [random.gauss(0, 1) for _ in range(before + after)]
    read = Quantiles.from_bytes(summed_up(values[:before], seed).to_bytes())
    for value in values[before:]:
        read.update(value)
    assert read.to_bytes() == summed_up(values, seed).to_bytes()


def test_merging_with_itself_doubles() -> None:
    """Nothing loops, nothing is shared."""
    sketch = summed_up([1.0, 2.0])
    sketch.merge(sketch)
    assert (sketch.count, sketch.quantile(0.5)) == (4, 1.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    """And changes nothing."""
    sketch = Quantiles()
    with pytest.raises(ValueError, match="finite"):
        sketch.update(value)
    assert (sketch.count, sketch.quantile(0.5), sketch.rank(1)) == (0, None, None)


def test_shares_and_seeds_must_be_in_range() -> None:
    """The message says what the range is."""
    with pytest.raises(ValueError, match="0 to 1"):
        Quantiles().quantile(1.01)
    with pytest.raises(ValueError, match="0 to 1"):
        Quantiles().quantile(math.nan)
    with pytest.raises(ValueError, match="32 bits"):
        Quantiles(2**32)


def test_bytes_that_are_none_are_refused() -> None:
    """Cut off, of another version, with half a number."""
    good = summed_up([1.0] * 600).to_bytes()
    for bad in (b"", good[:-1], b"\x07" + good[1:], good[:2] + b"\xa1" + good[3:]):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            Quantiles.from_bytes(bad)
