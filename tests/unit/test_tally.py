"""What a tally counts, adds up, and keeps in little memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.seen import Seen
from sketches.tally import GROUPS, MOST_WORDS, OTHERS, Tally

facts = st.lists(
    st.tuples(
        st.sampled_from(["flagged", "retracted"]),
        st.floats(-1e13, 1e13),
        st.text(max_size=80),
        st.none() | st.text(max_size=5),
    ),
    max_size=40,
)


def tally_of(stream: list[tuple[str, float, str, str | None]]) -> Tally:
    """Of a stream of facts."""
    tally = Tally()
    for event, amount, word, person in stream:
        tally.count(event)
        tally.add_amounts([amount])
        tally.count_word("category", word)
        tally.add_distinct("people", person)
    return tally


@given(facts, facts)
def test_merged_tallies_equal_that_of_both_streams(
    one: list[tuple[str, float, str, str | None]], two: list[tuple[str, float, str, str | None]]
) -> None:
    """To the byte, and through bytes."""
    merged, both = tally_of(one), tally_of(one + two).to_bytes()
    merged.merge(Tally.from_bytes(tally_of(two).to_bytes()))
    assert merged.to_bytes() == both
    assert Tally.from_bytes(both).to_bytes() == both


def test_of_too_many_words_the_rest_is_counted_together() -> None:
    """And the bytes stay within their bound."""
    tally = Tally()
    for field in range(8):
        for number in range(200):
            tally.count_word(f"field-{field}", f"{number:0100d}")
    for group in GROUPS:
        for number in range(50_000):
            tally.add_distinct(group, str(number))
    assert tally.top("field-0", 1) == [(OTHERS, 200 - MOST_WORDS)]
    assert len(tally.to_bytes()) <= tally.size_bound_bytes()
    assert tally.distinct("people") == pytest.approx(50_000, rel=tally.error_bound())


def test_amounts_beyond_all_sense_are_left_out_of_the_mean() -> None:
    """One typing error would drown all others; without any there is no mean."""
    tally = Tally()
    assert Tally().average_amount is None
    for amount in (10.25, -0.25, 1e300):
        tally.add_amounts([amount])
    assert tally.average_amount == 5.0
    assert tally.total_amount == 10.0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60))
def test_a_line_is_first_where_it_came_first_however_often_it_is_read(reads: list[tuple[int, int]]) -> None:
    """Read again after a crash it is the first once more; written again it is not."""
    log = [f"line {text}" for text, _ in reads]
    seen = Seen()
    for _ in range(2):
        answers = [seen.is_first(line, offset, offset) for offset, line in enumerate(log)]
        assert answers == [line not in log[:offset] for offset, line in enumerate(log)]
        seen = Seen.from_bytes(seen.to_bytes())


def test_lines_are_forgotten_by_age_and_number() -> None:
    """The newest stay."""
    seen = Seen()
    for offset in range(10):
        seen.is_first(f"line {offset}", offset, 1000 * offset)
    seen.forget(before_ms=3000, most=5)
    assert len(seen) == 5
    assert not seen.is_first("line 9", 10, 10_000)
    assert seen.is_first("line 4", 11, 11_000)
    assert len(seen.to_bytes()) <= Seen.size_bound_bytes(len(seen))


def test_bytes_that_are_no_seen_lines_are_refused() -> None:
    """Cut off, or of another kind."""
    with pytest.raises(ValueError, match="seen"):
        Seen.from_bytes(Tally().to_bytes())
