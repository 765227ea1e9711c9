"""Distinct counts: a function of the set of items, within the bound, exact while there are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.distinct import Distinct, DistinctByKey

MANY = 60_000  # past the list and the table of coupons: registers


def counted(items: list[str]) -> Distinct:
    """The sketch of some items."""
    sketch = Distinct()
    for item in items:
        sketch.update(item)
    return sketch


def counted_by_key(events: list[tuple[str, str]], max_keys: int) -> DistinctByKey:
    """The sketch of some items by key."""
    sketch = DistinctByKey(max_keys)
    for key, item in events:
        sketch.update(key, item)
    return sketch


items = st.lists(st.integers(0, 50).map(str) | st.text(min_size=1, max_size=3), max_size=40)
events = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20).map(str)), max_size=40)


@given(items, items, st.randoms())
def test_a_merged_sketch_is_that_of_both_streams(one: list[str], two: list[str], random: object) -> None:
    """Byte for byte, whatever the order, the repeats and the partition."""
    merged = counted(one)
    merged.merge(counted(two))
    both = [*one, *two, *one[:5]]
    random.shuffle(both)  # type: ignore[attr-defined]  # Hypothesis' own class of Random
    assert merged.to_bytes() == counted(both).to_bytes()
    assert merged.estimate() == pytest.approx(len(set(both)), rel=1e-6)


def test_many_items_are_within_the_bound_however_they_are_split() -> None:
    """And the estimate does not know how they came; the seed of the hash is fixed, and so is this result."""
    cards = [f"card-{number}" for number in range(MANY)]
    sketch = counted(cards)
    merged = counted(cards[40_000:])
    merged.merge(counted(cards[:50_000]))
    assert merged.to_bytes() == sketch.to_bytes() == counted(cards[::-1]).to_bytes()
    assert merged.estimate() == sketch.estimate() == pytest.approx(MANY, rel=sketch.error_bound())
    assert sketch.error_bound() < 0.02


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 30, 1_000, 5_000, MANY])
def test_bytes_are_read_back_as_they_were(count: int) -> None:
    """As a list, a table and registers; and counting goes on as if nothing had been."""
    sketch = counted([f"{number}" for number in range(count)])
    read = Distinct.from_bytes(sketch.to_bytes())
    assert read.to_bytes() == sketch.to_bytes()
    assert len(sketch.to_bytes()) <= sketch.size_bound_bytes()
    for number in range(100):
        sketch.update(f"more-{number}")
        read.update(f"more-{number}")
    assert read.to_bytes() == sketch.to_bytes()
    assert read.estimate() == sketch.estimate()


@pytest.mark.parametrize("count", [0, 5, 300, MANY])
def test_bytes_that_are_none_are_refused(count: int) -> None:
    """Cut off, lengthened, of another sketch, of another version."""
    good = counted([f"{number}" for number in range(count)]).to_bytes()
    for bad in (b"", b"\x01", good[:-1], good + b"\x00", b"\x02" + good[1:], DistinctByKey(3).to_bytes()):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            Distinct.from_bytes(bad)


def test_items_are_texts_whatever_they_look_like() -> None:
    """Apache passes over an empty text."""
    assert counted(
        ["7", "007", " 7", "7_0", "70", "nan", "NaN", "1.0", "1.00", ""]
    ).estimate() == pytest.approx(10)


@given(events, events, st.integers(1, 4))
def test_by_key_too_merging_is_counting_both_and_the_newest_keys_stay(
    one: list[tuple[str, str]], two: list[tuple[str, str]], max_keys: int
) -> None:
    """What has no count of its own is counted with the others: nothing is lost, memory is bounded."""
    merged = counted_by_key(one, max_keys)
    merged.merge(counted_by_key(two, max_keys))
    assert merged.to_bytes() == counted_by_key([*two, *one], max_keys).to_bytes()
    kept = sorted({key for key, _ in [*one, *two]})[-max_keys:]
    exact = {key: len({item for of, item in [*one, *two] if of == key}) for key in kept}
    assert merged.estimates() == pytest.approx(exact, rel=1e-6)
    others = {item for key, item in [*one, *two] if key not in kept}
    assert merged.others.estimate() == pytest.approx(len(others), rel=1e-6)
    assert DistinctByKey.from_bytes(merged.to_bytes()).to_bytes() == merged.to_bytes()


def test_bounds_on_keys_must_fit() -> None:
    """At least one, and the same on both sides of a merge; long keys become short."""
    with pytest.raises(ValueError, match="max_keys"):
        DistinctByKey(0)
    with pytest.raises(ValueError, match="merged"):
        DistinctByKey(1).merge(DistinctByKey(2))
    sketch = counted_by_key([("x" * 5_000, "1"), ("x" * 5_001, "1"), ("x" * 5_000, "2")], 3)
    assert sorted(sketch.estimates().values()) == pytest.approx([1, 2])
    assert len(sketch.to_bytes()) < 400
    assert sketch.error_bound() == Distinct().error_bound()
    assert sketch.size_bound_bytes() < 4 * 25_000
