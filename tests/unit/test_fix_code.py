"""What fifteen bytes keep of a fix, and in which order they stand."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.fix import Fix
from detection.fix_code import CODE_BYTES, decode, encode, tick_of, words_at
from models.times import epoch_ns
from tests.strategies import latitudes, longitudes, moments

NOON_NS = epoch_ns(datetime(2026, 11, 22, 12, tzinfo=UTC))

EARLIEST_NS = epoch_ns(datetime(1678, 1, 1, second=8, tzinfo=UTC))


def known_fixes() -> st.SearchStrategy[Fix]:
    """Fixes with any time that a message may have."""
    return st.builds(
        Fix,
        event_time_ns=moments().map(epoch_ns),
        latitude_deg=latitudes(),
        longitude_deg=longitudes(),
        speed_mps=st.none() | st.floats(-1, 400),
        accuracy_m=st.none() | st.floats(-1, 300_000),
    )


def code_of(fix: Fix) -> bytes:
    """The bytes of a fix."""
    return encode(tick_of(fix.event_time_ns), fix)


def kept(fix: Fix) -> Fix:
    """What the bytes of a fix stand for."""
    return decode(words_at(code_of(fix), 0))


@given(known_fixes())
def test_time_and_place_are_kept_to_sixteen_milliseconds_and_a_centimetre(fix: Fix) -> None:
    """A verdict reckons in metres and seconds."""
    assert len(code_of(fix)) == CODE_BYTES
    assert abs(kept(fix).event_time_ns - max(fix.event_time_ns, EARLIEST_NS)) <= 15_625_000
    assert kept(fix).latitude_deg == pytest.approx(fix.latitude_deg, abs=0.6e-7)
    assert kept(fix).longitude_deg == pytest.approx(fix.longitude_deg, abs=0.6e-7)


@given(known_fixes())
def test_encoding_what_was_decoded_gives_the_same_bytes(fix: Fix) -> None:
    """Else a track would change whenever it is read back and written again."""
    assert code_of(kept(fix)) == code_of(fix)


@given(st.floats(0, 380), st.floats(0, 240_000))
def test_speed_and_accuracy_are_rounded_up_by_little(speed_mps: float, accuracy_m: float) -> None:
    """Rounded down, a fix would claim more than the phone did."""
    fix = kept(Fix(NOON_NS, 0.0, 0.0, speed_mps, accuracy_m))
    assert fix.speed_mps is not None
    assert fix.accuracy_m is not None
    assert speed_mps <= fix.speed_mps <= speed_mps * 1.033 + 0.0034
    assert accuracy_m <= fix.accuracy_m <= max(accuracy_m * 1.0501, 1.0)


@pytest.mark.parametrize("unknown", [None, -1.0, -0.001, math.nan])
def test_what_the_phone_could_not_read_is_unknown(unknown: float | None) -> None:
    """Phones write -1 where they have no reading."""
    fix = kept(Fix(NOON_NS, 0.0, 0.0, unknown, unknown))
    assert fix.speed_mps is None
    assert fix.accuracy_m is None


def test_beyond_the_scales_are_their_ends() -> None:
    """No phone is faster than 381 m/s; an accuracy of 242 km says nothing already."""
    fix = kept(Fix(NOON_NS, 0.0, 0.0, math.inf, 1e30))
    assert fix.speed_mps == pytest.approx(381, abs=1)
    assert fix.accuracy_m == pytest.approx(242e3, rel=0.01)


@pytest.mark.parametrize("latitude_deg", [-90.0, 0.0, 90.0])
@pytest.mark.parametrize("longitude_deg", [-180.0, 0.0, 180.0])
def test_poles_and_antimeridian_are_kept_exactly(latitude_deg: float, longitude_deg: float) -> None:
    """The ends of the scales are places, too."""
    fix = kept(Fix(NOON_NS, latitude_deg, longitude_deg))
    assert (fix.latitude_deg, fix.longitude_deg) == (latitude_deg, longitude_deg)


@given(known_fixes(), known_fixes())
def test_codes_sort_by_time(one: Fix, other: Fix) -> None:
    """So that the greatest code is the latest fix."""
    one_tick, other_tick = tick_of(one.event_time_ns), tick_of(other.event_time_ns)
    if one_tick != other_tick:
        assert (code_of(one) < code_of(other)) == (one_tick < other_tick)


@pytest.mark.parametrize(("better_m", "worse_m"), [(3.5, 16.0), (16.0, 1500.0), (1500.0, None), (5.0, -1.0)])
def test_of_two_at_a_time_the_more_accurate_is_greater(better_m: float, worse_m: float | None) -> None:
    """A coarse fix beside a good one at the same second must not push it out."""
    assert code_of(Fix(NOON_NS, -80.0, 0.0, 0.0, better_m)) > code_of(Fix(NOON_NS, 80.0, 9.0, 90.0, worse_m))
