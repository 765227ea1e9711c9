"""Distances against published figures and by what a distance is."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.geodesy import distance_m
from tests.strategies import latitudes, longitudes, points

EQUATOR_DEGREE_M = 6_378_137 * math.pi / 180
QUARTER_MERIDIAN_M = 10_001_965.729  # Karney, J. Geod. 87 (2013), for WGS84
ROUNDING_M = 1e-6


@pytest.mark.parametrize(
    ("start", "end", "expected_m", "within_m"),
    [
        # GeographicLib's documentation: New York JFK to London LHR is 5551.759 km
        ((40.6, -73.8), (51.6, -0.5), 5_551_759.4, 0.1),
        # GeographicLib's documentation: Wellington to Salamanca, nearly antipodes
        ((-41.32, 174.81), (40.96, -5.50), 19_959_679.267, 0.001),
        # a degree of the equator, over the antimeridian
        ((0, 179.5), (0, -179.5), EQUATOR_DEGREE_M, ROUNDING_M),
        ((0, 180), (0, -180), 0, ROUNDING_M),
        # at a pole every longitude is the same place
        ((90, 0), (90, 123), 0, ROUNDING_M),
        ((-90, 10), (-90, -170), 0, ROUNDING_M),
        ((90, 0), (0, 77), QUARTER_MERIDIAN_M, 0.001),
        ((90, 0), (-90, 0), 2 * QUARTER_MERIDIAN_M, 0.001),
        # antipodes on the equator: the shortest way goes over a pole, not along the equator
        ((0, 0), (0, 180), 2 * QUARTER_MERIDIAN_M, 0.001),
        # over the pole, from 89 to 89 degrees: two of the last degrees of the meridian, 111.694 km each
        ((89, 0), (89, 180), 2 * 111_693.9, 0.2),
    ],
)
def test_distances_are_those_that_others_published(
    start: tuple[float, float], end: tuple[float, float], expected_m: float, within_m: float
) -> None:
    """Antimeridian, poles and antipodes are where simple formulas fail."""
    assert distance_m(*start, *end) == pytest.approx(expected_m, abs=within_m)


@given(points(), points())
def test_there_is_as_far_as_back(start: tuple[float, float], end: tuple[float, float]) -> None:
    """Which of fix and transaction comes first must not matter."""
    assert distance_m(*start, *end) == pytest.approx(distance_m(*end, *start), abs=ROUNDING_M)


@given(points(), points(), points())
def test_no_detour_is_shorter(
    start: tuple[float, float], over: tuple[float, float], end: tuple[float, float]
) -> None:
    """The triangle inequality: a stop on the way proves no one faster."""
    assert distance_m(*start, *end) <= distance_m(*start, *over) + distance_m(*over, *end) + ROUNDING_M


@given(points(), points())
def test_no_distance_is_longer_than_from_pole_to_pole(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    """On WGS84 no two points are further apart; and every distance is a number."""
    assert 0 <= distance_m(*start, *end) <= 2 * QUARTER_MERIDIAN_M + 0.001


@given(latitudes(), longitudes(), st.sampled_from([-360.0, 0.0, 360.0]))
def test_a_point_is_nowhere_else(latitude: float, longitude: float, turn: float) -> None:
    """No distance to itself, however often the longitude goes around."""
    assert distance_m(latitude, longitude, latitude, longitude + turn) == pytest.approx(0, abs=ROUNDING_M)
