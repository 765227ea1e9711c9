"""The second moment: within the bound, linear, and 1 where all keys come equally often."""

import random
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.moments import SecondMoment

keys = st.lists(st.binary(max_size=1), max_size=60)


def moment(stream: list[bytes], width: int = 64, depth: int = 5) -> SecondMoment:
    """A sketch that has seen these keys."""
    made = SecondMoment(width=width, depth=depth)
    for key in stream:
        made.update(key)
    return made


def test_no_event_and_one() -> None:
    """Exact where there is only one key, however often it comes."""
    assert moment([]).f2() == moment([]).concentration() == moment([]).skew(0) == 0
    assert moment([b"a"]).f2() == 1
    many = moment([b"a"] * 50)
    assert many.f2() == 2500
    assert many.concentration() == many.skew(1) == 1
    assert many.total == 50


@pytest.mark.parametrize("kind", ["even", "skewed", "one heavy"])
def test_it_is_within_the_bound(kind: str) -> None:
    """99 times of 100: over 100 streams with other keys, so other hashes; and right on average."""
    chance, wrong, errors = random.Random(5), 0, []
    for stream_number in range(100):
        if kind == "even":
            drawn = list(range(500))
        elif kind == "skewed":
            drawn = [int(chance.paretovariate(0.9)) for _ in range(500)]
        else:
            drawn = [*range(300), *[0] * 200]
        made = moment([b"%d %d" % (stream_number, key) for key in drawn])
        truth = sum(count**2 for count in Counter(drawn).values())
        errors.append(made.f2() / truth - 1)
        wrong += abs(errors[-1]) > made.error_bound()
    assert wrong <= 1
    assert abs(sum(errors) / len(errors)) < 0.1


def test_skew_tells_even_use_from_a_few_cards() -> None:
    """1 for cards that are used equally often; as many times more as use is uneven."""
    even = [b"%d" % (number % 200) for number in range(4000)]
    tested = even + [b"stolen"] * 2000
    assert moment(even, width=1024).skew(200) == pytest.approx(1, rel=0.15)
    counts = Counter(tested)
    truth = sum(count**2 for count in counts.values()) * len(counts) / len(tested) ** 2
    assert moment(tested, width=1024).skew(201) == pytest.approx(truth, rel=0.15)
    assert truth > 20


def test_signs_are_balanced_by_fours() -> None:
    """What the variance stands on: the product of the signs of four different keys has mean 0."""
    made = SecondMoment(width=2, depth=101)
    columns = []
    for key in (b"a", b"b", b"c", b"d"):
        one = SecondMoment(width=2, depth=101)
        one.update(key)
        columns.append([sum(row) for row in one._rows])
    signs = Counter(zip(*columns, strict=True))
    assert all(signs[each] > 0 for each in product((-1, 1), repeat=4))
    assert len(made._rows) == 101


@given(keys, keys)
def test_merged_it_is_the_sketch_of_both_streams(mine: list[bytes], theirs: list[bytes]) -> None:
    """To the bit: it is linear."""
    made = moment(mine)
    made.merge(moment(theirs))
    assert made.to_bytes() == moment(theirs + mine).to_bytes()


@given(keys, keys)
def test_a_snapshot_goes_on_as_the_original(before: list[bytes], after: list[bytes]) -> None:
    """To the byte."""
    made = moment(before)
    again = SecondMoment.from_bytes(made.to_bytes())
    for key in after:
        made.update(key)
        again.update(key)
    assert again.to_bytes() == made.to_bytes()
    assert len(made.to_bytes()) <= made.size_bound_bytes()


def test_the_bound_is_that_of_the_theorem() -> None:
    """Of one row by Chebyshev alone; more rows and wider ones make it smaller."""
    assert SecondMoment(width=256, depth=1).error_bound() == pytest.approx((2 / 256 / 0.01) ** 0.5)
    bounds = [SecondMoment(width=256, depth=depth).error_bound() for depth in (1, 3, 5, 7)]
    assert bounds == sorted(bounds, reverse=True)
    assert SecondMoment(width=1024).error_bound() == pytest.approx(0.136, abs=0.001)


def test_what_makes_no_moment_is_refused() -> None:
    """Widths and depths that are none; sketches of other dimensions."""
    for width, depth in ((3, 5), (0, 5), (1, 5), (2**30, 5), (64, 2), (64, 0)):
        with pytest.raises(ValueError, match=r"width|depth"):
            SecondMoment(width=width, depth=depth)
    with pytest.raises(ValueError, match="merged"):
        moment([]).merge(SecondMoment(width=128))
