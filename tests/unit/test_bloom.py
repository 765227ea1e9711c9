"""A Bloom filter: never wrong about what is in it, seldom about what is not."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.bloom import BloomFilter

keys = st.lists(st.binary(max_size=8), max_size=40)


def filled(items: list[bytes], size: int = 50, rate: float = 0.05) -> BloomFilter:
    """A filter with these keys in it."""
    bloom = BloomFilter(size, rate)
    for item in items:
        bloom.update(item)
    return bloom


@given(keys)
def test_what_was_put_in_is_found(items: list[bytes]) -> None:
    """Always; putting it in again changes nothing."""
    bloom = filled(items)
    assert all(item in bloom for item in items)
    assert filled(items + items).to_bytes() == bloom.to_bytes()


@pytest.mark.parametrize(("size", "rate"), [(30, 0.01), (1000, 0.3), (1000, 0.02), (5000, 0.001)])
def test_false_positives_come_at_the_stated_rate(size: int, rate: float) -> None:
    """With as many keys as it is for, within 1.2 times; over several small filters, whose fill differs."""
    filters = max(1, 1200 // size)
    asked = 40_000 // filters
    found = 0
    for number in range(filters):
        bloom = filled([b"in %d %d" % (number, key) for key in range(size)], size, rate)
        found += sum(b"out %d %d" % (number, key) in bloom for key in range(asked))
    expected = rate * asked * filters
    assert 0.7 * expected <= found <= 1.2 * expected  # not below by far: no more memory than it takes


def test_a_filter_for_one_key_keeps_its_rate() -> None:
    """Where a few bits would fill very unevenly."""
    filters = [filled([b"in %d" % number], 1, 0.01) for number in range(500)]
    assert sum(b"out %d" % key in bloom for bloom in filters for key in range(20)) <= 1.2 * 100


def test_too_many_keys_show() -> None:
    """The rate by the bits that are set is near the setting when full, and above it when overfull."""
    bloom = BloomFilter(500, 0.01)
    assert bloom.estimated_error() == bloom.estimated_keys() == 0
    for key in range(500):
        bloom.update(b"%d" % key)
    assert bloom.estimated_error() == pytest.approx(bloom.error_bound(), rel=0.2)
    assert bloom.estimated_keys() == pytest.approx(500, rel=0.05)
    for key in range(500, 2000):
        bloom.update(b"%d" % key)
    assert bloom.estimated_error() > 10 * bloom.error_bound()
    for key in range(2000, 30_000):
        bloom.update(b"%d" % key)
    assert bloom.estimated_keys() == inf
    bloom.clear()
    assert bloom.to_bytes() == BloomFilter(500, 0.01).to_bytes()


@given(keys, keys)
def test_merged_it_is_the_filter_of_both_streams(mine: list[bytes], theirs: list[bytes]) -> None:
    """To the bit."""
    bloom = filled(mine)
    bloom.merge(filled(theirs))
    assert bloom.to_bytes() == filled(mine + theirs).to_bytes()


@given(keys)
def test_it_is_read_back_as_it_was(items: list[bytes]) -> None:
    """And goes on from there, without touching the one it was read from."""
    bloom = filled(items)
    data = bloom.to_bytes()
    again = BloomFilter.from_bytes(data)
    assert again.to_bytes() == data
    again.update(b"something new")
    assert b"something new" in again
    assert bloom.to_bytes() == data


def test_what_makes_no_filter_is_refused() -> None:
    """No keys, rates that are none, and filters of other dimensions."""
    for size, rate in ((0, 0.1), (1, 0.0), (1, 1.0), (1, float("nan"))):
        with pytest.raises(ValueError, match="Bloom filter"):
            BloomFilter(size, rate)
    for other in (BloomFilter(51, 0.05), BloomFilter(50, 0.04)):
        with pytest.raises(ValueError, match="merged"):
            filled([]).merge(other)
    with pytest.raises(ValueError, match="bits"):
        filled([]).load(b"\xff" * len(filled([]).bits))
