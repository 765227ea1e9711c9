"""A Bloom filter that forgets: by the time it is given, in any order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.rotating_bloom import RotatingBloomFilter

SPAN_MS = 100
GENERATIONS = 3
events = st.lists(st.tuples(st.binary(max_size=2), st.integers(0, 12 * SPAN_MS)), max_size=30)


def ring(seen: list[tuple[bytes, int]]) -> RotatingBloomFilter:
    """One that has seen these keys at these times."""
    made = RotatingBloomFilter(40, 0.001, span_ms=SPAN_MS, generations=GENERATIONS)
    for key, time_ms in seen:
        made.update(key, time_ms)
    return made


@given(events, st.integers(0, 15 * SPAN_MS))
def test_keys_of_the_latest_spans_are_found(seen: list[tuple[bytes, int]], now_ms: int) -> None:
    """The spans count back from now, or from the latest event where that is later."""
    made = ring(seen)
    newest = max([now_ms, *(time_ms for _, time_ms in seen)]) // SPAN_MS
    for key, time_ms in seen:
        if time_ms // SPAN_MS > newest - GENERATIONS:
            assert made.contains(key, now_ms)


def test_keys_are_forgotten() -> None:
    """After all generations' spans at the latest, whether anything came meanwhile or not."""
    made = ring([(b"a", 50)])
    assert made.contains(b"a", 299)
    assert not made.contains(b"a", 300)
    assert made.contains(b"a", 0)
    assert not made.contains(b"b", 50)
    made.update(b"b", 299)
    assert made.contains(b"a", 0)
    made.update(b"b", 300)
    assert not made.contains(b"a", 0)
    made.update(b"c", 10_000_000)
    assert not made.contains(b"b", 0)
    assert made.contains(b"c", 0)


def test_a_key_that_comes_again_stays() -> None:
    """Forgetting is for what does not come any more."""
    made = ring([(b"home", time_ms) for time_ms in range(0, 3000, 150)])
    assert made.contains(b"home", 3000)


def test_what_comes_too_late_is_said() -> None:
    """The caller may want to count it; times may go back as far as the ring reaches."""
    made = ring([(b"a", 1000)])
    assert made.update(b"b", 800)
    assert made.contains(b"b", 1000)
    assert not made.update(b"c", 799)
    assert not made.contains(b"c", 1000)


@given(st.permutations([(b"%d" % number, number * 37) for number in range(12)]))
def test_order_makes_no_difference(seen: list[tuple[bytes, int]]) -> None:
    """The state is a function of the set of keys and times."""
    assert ring(seen).to_bytes() == ring(sorted(seen)).to_bytes()


@given(events, events)
def test_merged_it_is_the_ring_of_both_streams(
    mine: list[tuple[bytes, int]], theirs: list[tuple[bytes, int]]
) -> None:
    """To the bit, whichever of them has come further."""
    made, other = ring(mine), ring(theirs)
    before = other.to_bytes()
    made.merge(other)
    assert made.to_bytes() == ring(mine + theirs).to_bytes()
    made.update(b"after", 100_000)
    assert other.to_bytes() == before


@given(events, events)
def test_it_is_read_back_as_it_was(before: list[tuple[bytes, int]], after: list[tuple[bytes, int]]) -> None:
    """And goes on as the original does."""
    made = ring(before)
    again = RotatingBloomFilter.from_bytes(made.to_bytes())
    assert again.to_bytes() == made.to_bytes()
    for key, time_ms in after:
        assert made.update(key, time_ms) == again.update(key, time_ms)
    assert again.to_bytes() == made.to_bytes()


def test_false_positives_of_the_whole_ring_come_at_the_stated_rate() -> None:
    """All generations full."""
    made = RotatingBloomFilter(1000, 0.02, span_ms=SPAN_MS, generations=GENERATIONS)
    for number in range(3000):
        made.update(b"in %d" % number, number // 1000 * SPAN_MS)
    found = sum(made.contains(b"out %d" % number, 250) for number in range(20_000))
    assert 0.6 * 400 < found <= 1.2 * 400
    assert made.estimated_error() == pytest.approx(made.error_bound(), rel=0.15)


def test_what_makes_no_ring_is_refused() -> None:
    """Spans, generations, rates and times that are none."""
    for span_ms, generations, rate in ((0, 3, 0.1), (1, 1, 0.1), (1, 2, 0.0), (1, 2, 2.0)):
        with pytest.raises(ValueError, match=r"ring|rate"):
            RotatingBloomFilter(1, rate, span_ms=span_ms, generations=generations)
    made = ring([])
    for call in (made.update, made.contains):
        with pytest.raises(ValueError, match="1970"):
            call(b"a", -1)
    with pytest.raises(ValueError, match="merged"):
        made.merge(RotatingBloomFilter(40, 0.001, span_ms=SPAN_MS + 1, generations=GENERATIONS))
