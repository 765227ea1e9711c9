"""Distinct counts: a function of the set of items, within the bound, exact while there are few."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.distinct import Distinct
from sketches.moments import SecondMoment

MANY = 60_000  # past the list and the table of coupons: registers


def counted(items: list[str]) -> Distinct:
    """The sketch of some items."""
    sketch = Distinct()
    for item in items:
        sketch.update(item)
    return sketch


items = st.lists(st.integers(0, 50).map(str) | st.text(min_size=1, max_size=3), max_size=40)


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
    for bad in (b"", b"\x01", good[:-1], good + b"\x00", b"\x02" + good[1:], SecondMoment().to_bytes()):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            Distinct.from_bytes(bad)


def test_items_are_texts_whatever_they_look_like() -> None:
    """Apache passes over an empty text."""
    assert counted(
        ["7", "007", " 7", "7_0", "70", "nan", "NaN", "1.0", "1.00", ""]
    ).estimate() == pytest.approx(10)
