"""How far a phone can have come, by school physics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.fix import Fix
from detection.profile import EnvelopeProfile
from detection.reach import reach_between_m, reach_m

# Round figures: 9 m/s reported and 1 allowed, 2 m/s2, at most 100 m/s.
PROFILE = EnvelopeProfile(
    tolerance_mps=1.0, acceleration_mps2=2.0, airliner_mps=100.0, unknown_speed_mps=29.0
)


def fix(time_s: float, speed_mps: float | None) -> Fix:
    """A fix with a speed at a time."""
    return Fix(round(time_s * 1e9), 0.0, 0.0, speed_mps)


@pytest.mark.parametrize(
    ("speed_mps", "elapsed_s", "expected_m"),
    [
        (9.0, 0.0, 0.0),
        (9.0, 10.0, 10 * 10 + 10**2),  # v t + a t2 / 2
        (9.0, 45.0, (10 + 100) / 2 * 45),  # 90 m/s are gained in 45 s
        (9.0, 55.0, (10 + 100) / 2 * 45 + 100 * 10),  # and then it goes on at 100
        (0.0, 10.0, 1 * 10 + 10**2),  # who stands may walk off
        (None, 10.0, 30 * 10 + 10**2),  # unknown: a car
        (250.0, 10.0, 1000.0),  # nobody is faster than an airliner
    ],
)
def test_reach_of_a_fix(speed_mps: float | None, elapsed_s: float, expected_m: float) -> None:
    """Reported speed and tolerance, gaining speed up to the airliner's."""
    assert reach_m(fix(0, speed_mps), elapsed_s, PROFILE) == pytest.approx(expected_m)


@pytest.mark.parametrize(
    ("first_mps", "last_mps", "elapsed_s", "expected_m"),
    [
        (9.0, 9.0, 0.0, 0.0),
        (9.0, 9.0, 20.0, 2 * (10 * 10 + 10**2)),  # gains for half of the time and loses for half
        (9.0, 29.0, 10.0, 10 * 10 + 10**2),  # just gets to 30 m/s
        (29.0, 9.0, 10.0, 10 * 10 + 10**2),  # the same backwards
        (9.0, 99.0, 10.0, 10 * 10 + 10**2),  # cannot get to 100: what the slower one allows
        (9.0, 9.0, 100.0, 2 * (10 + 100) / 2 * 45 + 100 * 10),  # up, ten seconds at 100, down
    ],
)
def test_reach_between_two_fixes(
    first_mps: float, last_mps: float, elapsed_s: float, expected_m: float
) -> None:
    """Speed must be gained after the one and lost before the other."""
    between_m = reach_between_m(fix(100, first_mps), fix(100 + elapsed_s, last_mps), PROFILE)
    assert between_m == pytest.approx(expected_m)


@given(st.none() | st.floats(0, 400), st.none() | st.floats(0, 400), st.floats(0, 1e6), st.floats(0, 1e6))
def test_more_time_reaches_further_and_two_fixes_less_than_one(
    first_mps: float | None, last_mps: float | None, one_s: float, other_s: float
) -> None:
    """And neither outruns an airliner."""
    sooner_s, later_s = sorted((one_s, other_s))
    profile = EnvelopeProfile()
    start, end = fix(0, first_mps), fix(later_s, last_mps)
    assert reach_m(start, sooner_s, profile) <= reach_m(start, later_s, profile) + 1e-6
    assert reach_m(start, later_s, profile) <= profile.airliner_mps * later_s + 1e-6
    # the clock of a fix ticks in nanoseconds
    both_m = reach_between_m(start, end, profile)
    assert both_m <= min(reach_m(start, later_s, profile), reach_m(end, later_s, profile)) * (1 + 1e-9) + 1e-5
