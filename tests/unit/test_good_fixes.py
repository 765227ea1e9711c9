"""The largest consistent chain counts."""

from itertools import combinations, pairwise, starmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.fix import Fix
from detection.fix_code import Words, decode, encode, tick_of, words_at
from detection.geodesy import distance_m
from detection.good_fixes import LONGEST_DEGREE_M, Chains
from detection.profile import EnvelopeProfile
from detection.reach import radius_m, reach_between_m
from tests.strategies import latitudes, longitudes

PROFILE = EnvelopeProfile()
CHAINS = Chains(PROFILE)
HOME = (37.3, -121.9)
DEGREE_M = 111_000.0  # of latitude there, to a few metres a kilometre


def at(
    elapsed_s: float,
    north_m: float = 0.0,
    *,
    speed_mps: float | None = 1.0,
    accuracy_m: float | None = 5.0,
    origin: tuple[float, float] = HOME,
) -> Fix:
    """A fix some metres north of a place."""
    return Fix(round(elapsed_s * 1e9), origin[0] + north_m / DEGREE_M, origin[1], speed_mps, accuracy_m)


def walk(*elapsed_s: float, north_m: float = 0.0) -> list[Fix]:
    """Fixes of a phone that walks north at 1 m/s."""
    return [at(time_s, north_m + time_s) for time_s in elapsed_s]


def code_of(fix: Fix) -> Words:
    """The fix as a track has it."""
    return words_at(encode(tick_of(fix.event_time_ns), fix))


def good_fixes(fixes: list[Fix]) -> list[bool]:
    """Which of them are good."""
    return CHAINS.good_fixes([code_of(fix) for fix in fixes])


def refused(fixes: list[Fix]) -> list[Fix]:
    """The fixes that do not belong to the chain."""
    ordered = sorted(fixes, key=lambda fix: fix.event_time_ns)
    return [fix for fix, good in zip(ordered, good_fixes(ordered), strict=True) if not good]


GLITCH = at(15.0, 800.0)
COARSE_GLITCH = at(15.0, 6000.0, accuracy_m=1500.0)
COARSE = at(15.0, 2000.0, accuracy_m=2500.0)
SPOOFED = [at(15.0, 500_000.0 + metres, speed_mps=0.1, accuracy_m=4.0) for metres in (0.0, 10.0, 20.0)]
DRIFTED = [at(time_s, time_s + 280.0) for time_s in range(50, 70, 5)]


@pytest.mark.parametrize(
    ("fixes", "false"),
    [
        pytest.param([], [], id="nothing seen"),
        pytest.param([at(0)], [], id="a first fix has no neighbours yet and is believed"),
        pytest.param(walk(0, 5, 10, 15, 20), [], id="a walk"),
        pytest.param([*walk(0, 5, 10, 20, 25), GLITCH], [GLITCH], id="a glitch among good fixes"),
        pytest.param([*walk(20, 25), GLITCH], [GLITCH], id="a glitch as the first fix of all"),
        pytest.param([*walk(0, 5, 10), GLITCH], [GLITCH], id="a glitch as the last one so far"),
        pytest.param([*walk(0, 5, 10, 20), COARSE_GLITCH], [COARSE_GLITCH], id="further off than it admits"),
        pytest.param([*walk(0, 5, 10, 15, 20), COARSE], [], id="accuracy is a radius"),
        pytest.param([*walk(0, 5, 10, 15, 20), *SPOOFED], SPOOFED, id="three false fixes at one second"),
        pytest.param([*walk(0, 5, 10), *SPOOFED[:1]], SPOOFED[:1], id="a false fix as the last so far"),
        pytest.param([*walk(*range(0, 50, 5), *range(70, 120, 5)), *DRIFTED], DRIFTED, id="a drifted run"),
        pytest.param([at(0), at(0), at(5), at(5)], [], id="duplicate times and equal positions"),
        pytest.param(
            [*walk(0, 5, 10), at(9 * 3600, 5_000_000.0), at(9 * 3600 + 5, 5_000_000.0)],
            [],
            id="somebody who flew",
        ),
        pytest.param(
            [at(0, 0.0, speed_mps=250.0), at(20, 5000.0, speed_mps=250.0)], [], id="reported speed counts"
        ),
        pytest.param(
            [at(0, speed_mps=None), at(10, 400.0, speed_mps=None)], [], id="an unknown speed may be a car's"
        ),
        pytest.param(
            [*walk(0, 5), at(600, 400_000.0), at(605, 400_000.0)],
            [at(600, 400_000.0), at(605, 400_000.0)],
            id="what is established stays",
        ),
        pytest.param(
            [*walk(0, 5), *(at(time_s, 400_000.0) for time_s in (600, 605, 610))],
            walk(0, 5),
            id="until later fixes outnumber it: who really went there comes back",
        ),
    ],
)
def test_false_fixes_are_refused(fixes: list[Fix], false: list[Fix]) -> None:
    """Each fix is judged by its neighbours in time, on both sides."""
    assert refused(fixes) == sorted(false, key=lambda fix: fix.event_time_ns)


def test_the_antimeridian_is_no_jump() -> None:
    """Ten metres are ten metres there."""
    fixes = [Fix(s * 10**9, -17.0, lon, 1.0, 5.0) for s, lon in ((0, 179.9999), (5, -179.9999), (10, 180.0))]
    assert good_fixes(fixes) == [True, True, True]


@pytest.mark.parametrize("pole_deg", [-90.0, 90.0])
def test_at_a_pole_every_longitude_is_the_same_place(pole_deg: float) -> None:
    """A walk around it passes them all."""
    fixes = [
        Fix(s * 10**9, pole_deg, longitude, 1.0, 5.0) for s, longitude in ((0, 0.0), (1, 120.0), (2, -60.0))
    ]
    assert good_fixes(fixes) == [True, True, True]


@given(latitudes(), longitudes(), st.floats(-1, 1), st.floats(-1, 1))
def test_no_degree_is_longer_than_the_longest(
    latitude_deg: float, longitude_deg: float, north: float, east: float
) -> None:
    """So a square in degrees lies within a circle in metres, without a geodesic."""
    side_deg = 0.003
    to_lat_deg = min(max(latitude_deg + north * side_deg, -90.0), 90.0)
    to_lon_deg = min(max(longitude_deg + east * side_deg, -180.0), 180.0)
    diagonal_m = side_deg * 2**0.5 * LONGEST_DEGREE_M
    assert distance_m(latitude_deg, longitude_deg, to_lat_deg, to_lon_deg) < diagonal_m


def tracks() -> st.SearchStrategy[list[Fix]]:
    """Short tracks that hop between a few places, some too fast."""
    hops = st.tuples(st.integers(0, 60), st.sampled_from([0.0, 90.0, 250.0, 900.0, 50_000.0]))
    return st.lists(hops, max_size=8).map(lambda hops: [at(s, metres) for s, metres in sorted(hops)])


@given(tracks())
def test_no_chain_is_longer(fixes: list[Fix]) -> None:
    """Against trying all of them."""
    good = [fix for fix, is_good in zip(fixes, good_fixes(fixes), strict=True) if is_good]
    assert all(starmap(CHAINS.are_consistent, pairwise(map(code_of, good))))
    longest = max(
        size
        for size in range(len(fixes) + 1)
        for chain in combinations(fixes, size)
        if all(starmap(CHAINS.are_consistent, pairwise(map(code_of, chain))))
    )
    assert len(good) == longest


@given(latitudes(), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05), st.floats(0, 1000), st.floats(0, 50))
def test_consistent_is_what_travel_explains(
    latitude_deg: float, north_deg: float, east_deg: float, elapsed_s: float, speed_mps: float
) -> None:
    """The square that saves a geodesic says yes only where the geodesic does."""
    to_lat_deg = min(max(latitude_deg + north_deg, -90.0), 90.0)
    codes = (
        code_of(Fix(0, latitude_deg, 10.0, speed_mps, 5.0)),
        code_of(Fix(round(elapsed_s * 1e9), to_lat_deg, 10.0 + east_deg, 0.0, 5.0)),
    )
    here, there = map(decode, codes)
    apart_m = distance_m(here.latitude_deg, here.longitude_deg, there.latitude_deg, there.longitude_deg)
    off_m = PROFILE.fix_drift_m + radius_m(here, PROFILE) + radius_m(there, PROFILE)
    explained_m = off_m + reach_between_m(here, there, PROFILE)
    assert CHAINS.are_consistent(*codes) == (apart_m <= explained_m)
