"""What comes most often: bounds that are certain, and the same again from a snapshot."""

from collections import Counter
from random import Random

import pytest
from datasketches import frequent_items_error_type, frequent_strings_sketch
from hypothesis import given
from hypothesis import strategies as st

from sketches.heavy_hitters import CountMin, FrequentItems

items = st.lists(st.tuples(st.integers(0, 30).map(str), st.integers(1, 5)), max_size=60)


def frequent(events: list[tuple[str, int]], capacity: int) -> FrequentItems:
    """The sketch of some items with weights."""
    sketch = FrequentItems(capacity)
    for item, weight in events:
        sketch.update(item, weight)
    return sketch


def count_min(events: list[tuple[str, int]], relative_error: float = 0.05) -> CountMin:
    """The same as count-min."""
    sketch = CountMin(relative_error)
    for item, weight in events:
        sketch.update(item, weight)
    return sketch


def exact(events: list[tuple[str, int]]) -> Counter[str]:
    """What is true."""
    counts: Counter[str] = Counter()
    for item, weight in events:
        counts[item] += weight
    return counts


@given(items, items, st.integers(2, 12))
def test_true_counts_lie_between_the_bounds_also_of_merged_sketches(
    one: list[tuple[str, int]], two: list[tuple[str, int]], capacity: int
) -> None:
    """Always, for every item, kept or not; the gap is never above the promise."""
    sketch = frequent(one, capacity)
    sketch.merge(frequent(two, capacity))
    counts = exact([*one, *two])
    assert sketch.total == counts.total()
    for item in {*counts, "never"}:
        seen = sketch.frequency(item)
        assert seen.lower <= counts[item] <= seen.upper
        assert seen.upper - seen.lower <= sketch.error_bound() * sketch.total
    assert len(sketch.top(100)) <= capacity
    if len(counts) <= capacity:
        assert sketch.to_bytes() == frequent([*two, *one], capacity).to_bytes()
        assert [(item, lower) for item, lower, _ in sketch.top(100)] == sorted(
            counts.items(), key=lambda counted: (-counted[1], counted[0])
        )


@given(items, items, st.integers(2, 12))
def test_a_snapshot_goes_on_as_the_undisturbed_sketch_does(
    before: list[tuple[str, int]], after: list[tuple[str, int]], capacity: int
) -> None:
    """Byte for byte, purges included."""
    read = FrequentItems.from_bytes(frequent(before, capacity).to_bytes())
    for item, weight in after:
        read.update(item, weight)
    assert read.to_bytes() == frequent([*before, *after], capacity).to_bytes()


def test_the_top_ten_of_a_long_tail_are_those_that_apache_finds() -> None:
    """A peer that shares no code with ours."""
    random = Random(6)
    stream = [f"shop-{int(random.paretovariate(1))}" for _ in range(50_000)]
    sketch, apache = FrequentItems(256), frequent_strings_sketch(9)
    for item in stream:
        sketch.update(item)
        apache.update(item)
    theirs = apache.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
    top = sketch.top(10)
    assert len(sketch.to_bytes()) <= sketch.size_bound_bytes()
    assert [item for item, _, _ in top] == [row[0] for row in theirs[:10]]
    assert [item for item, _, _ in top] == [item for item, _ in Counter(stream).most_common(10)]
    assert all(seen.upper > seen.lower for seen in top), "nothing was purged: the test shows nothing"


def test_edges_of_frequent_items() -> None:
    """Empty, more asked for than there is, weights and capacities that are none, endless names."""
    sketch = FrequentItems(2)
    assert (sketch.top(5), sketch.total, sketch.frequency("a")) == ([], 0, ("a", 0, 0))
    for weight in (0, -1):
        with pytest.raises(ValueError, match="weight"):
            sketch.update("a", weight)
    with pytest.raises(ValueError, match="capacity"):
        FrequentItems(1)
    with pytest.raises(ValueError, match="merged"):
        sketch.merge(FrequentItems(3))
    sketch.update("x" * 10_000)
    sketch.update("x" * 9_999)
    assert sketch.frequency("x" * 10_000).lower == 1
    assert len(sketch.to_bytes()) < 200
    sketch.merge(sketch)
    assert sketch.frequency("x" * 9_999).lower == 2


@given(items, items)
def test_count_min_merges_exactly_and_never_counts_too_few(
    one: list[tuple[str, int]], two: list[tuple[str, int]]
) -> None:
    """A function of the multiset of items."""
    sketch = count_min(one)
    sketch.merge(count_min(two))
    assert sketch.to_bytes() == count_min([*two, *one]).to_bytes()
    counts = exact([*one, *two])
    assert sketch.total == counts.total()
    assert all(sketch.estimate(item) >= count for item, count in counts.items())


def test_count_min_is_within_its_bound_for_all_but_one_in_a_hundred() -> None:
    """Twenty times more items than buckets, all alike: the worst case."""
    events = [(f"device-{number}", 1) for number in range(10_000)]
    sketch = count_min(events, relative_error=0.005)
    limit = 1 + sketch.error_bound() * sketch.total
    assert sketch.error_bound() <= 0.005
    assert sum(sketch.estimate(item) > limit for item, _ in events) <= 0.01 * len(events)
    assert len(sketch.to_bytes()) <= sketch.size_bound_bytes()


def test_edges_of_count_min() -> None:
    """Empty, itself, sizes that differ, events and errors that are none."""
    sketch = count_min([])
    assert sketch.estimate("a") == 0
    for weight in (0, -1):
        with pytest.raises(ValueError, match="weight"):
            sketch.update("a", weight)
    with pytest.raises(ValueError, match="merged"):
        sketch.merge(CountMin(0.01))
    for error in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="relative_error"):
            CountMin(error)
    sketch.update("a", 3)
    sketch.merge(sketch)
    assert sketch.estimate("a") == 6


@pytest.mark.parametrize("kind", [FrequentItems, CountMin])
def test_bytes_that_are_none_are_refused(kind: type[FrequentItems] | type[CountMin]) -> None:
    """Cut off, of another version, of the other sketch."""
    sketch = kind()
    sketch.update("a")
    other = CountMin() if kind is FrequentItems else FrequentItems()
    for bad in (b"", sketch.to_bytes()[:-1], b"\x05" + sketch.to_bytes()[1:], other.to_bytes()):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            kind.from_bytes(bad)
