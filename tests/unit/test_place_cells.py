"""The grid of places: what is within the paper's thresholds is near, what is far beyond them is not."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketches.place_cells import Cell, modal_cell
from tests.strategies import latitudes, longitudes

altitudes = st.floats(-500, 9000)
nudges = st.floats(-1, 1)


def is_near(place: tuple[float, float, float | None], other: tuple[float, float, float | None]) -> bool:
    """Whether the second place's cell is among those around the first's."""
    return Cell.of(*other).compared in set(Cell.of(*place).near())


def turned(longitude_deg: float) -> float:
    """The same longitude between -180 and 180."""
    return (longitude_deg + 180) % 360 - 180


@given(latitudes(), longitudes(), altitudes, st.tuples(nudges, nudges, nudges))
def test_within_the_thresholds_is_near(
    latitude: float, longitude: float, altitude: float, nudged: tuple[float, float, float]
) -> None:
    """Everywhere: over the antimeridian and at the poles, too."""
    north, east, up = nudged
    within = 1 - 1e-9  # rounding
    other_latitude = max(-90, min(90, latitude + 0.2 * within * north))
    other_longitude = turned(longitude + 0.2 * within * east)
    other = (other_latitude, other_longitude, altitude + 100 * within * up)
    assert is_near((latitude, longitude, altitude), other)
    assert is_near((latitude, longitude, None), (*other[:2], None))


@given(latitudes(), longitudes(), altitudes, st.sampled_from([0, 1, 2]), st.floats(1, 30))
def test_far_beyond_a_threshold_is_not(
    latitude: float, longitude: float, altitude: float, axis: int, times: float
) -> None:
    """One and a half thresholds away in one direction are enough; longitudes do not count at a pole."""
    other = [latitude, longitude, altitude]
    beyond = 1 + 1e-9
    if axis == 0:
        other[0] += (-1 if latitude > 0 else 1) * 0.3 * beyond * times
    elif axis == 1 and abs(latitude) < 89.8:
        other[1] = turned(longitude + 0.3 * beyond * times)
    else:
        other[2] += 150 * beyond * times
    assert not is_near((latitude, longitude, altitude), (other[0], other[1], other[2]))


def test_at_a_pole_longitude_is_nothing() -> None:
    """Two steps from the pole one may be at any longitude."""
    assert is_near((89.95, 10, None), (89.95, -170, None))
    assert is_near((-90, 0, 2800), (-90, 123, 2810))
    assert not is_near((89.95, 10, None), (89.5, -170, None))
    assert not is_near((90, 0, None), (-90, 0, None))


def test_there_are_as_many_cells_as_stated() -> None:
    """Each once; 5 of each axis."""
    assert len(list(Cell.of(37.3, -121.9, 30).near())) == 125
    assert len(list(Cell.of(37.3, 179.99, None).near())) == len(set(Cell.of(37.3, 179.99, None).near())) == 25
    assert len(list(Cell.of(90, 0, 0).near())) < 125


@given(latitudes(), longitudes(), altitudes | st.none())
def test_the_code_of_a_cell_is_the_cell(latitude: float, longitude: float, altitude: float | None) -> None:
    """Eight bytes, in a sample."""
    cell = Cell.of(latitude, longitude, altitude)
    assert Cell.from_code(cell.code) == cell
    assert len(cell.code) == 8


def test_altitudes_beyond_all_measure_are_far_away() -> None:
    """A phone may send anything that is a number."""
    assert not is_near((0, 0, 1e300), (0, 0, 0))
    assert is_near((0, 0, 1e300), (0, 0, 1e299))
    assert is_near((0, 0, -1e300), (0, 0, -1e300))
    for level in (1e300, -1e300):
        assert all(Cell.from_code(cell.code) == cell for cell in Cell.of(0, 0, level).near())


@pytest.mark.parametrize(
    "place", [(90.1, 0, 0), (-91, 0, 0), (0, 180.1, 0), (nan, 0, 0), (0, inf, 0), (0, 0, nan), (0, 0, inf)]
)
def test_what_is_no_place_is_refused(place: tuple[float, float, float]) -> None:
    """Without quoting it: errors go to logs, places do not."""
    with pytest.raises(ValueError, match=r"latitude|altitude") as e:
        Cell.of(*place)
    assert not {"90.1", "-91", "180.1", "nan", "inf"} & set(str(e.value).replace(",", "").split())


def test_the_mode_is_where_most_of_the_sample_is() -> None:
    """Altitudes that are not known do not outvote those that are."""
    home, work = (37.33, -121.89, 30.0), (37.77, -122.41, 10.0)
    sample = [home, (37.34, -121.88, 40.0), (37.33, -121.89, None), (37.33, -121.89, None), work, work]
    codes = [Cell.of(*place).code for place in sample]
    assert modal_cell(codes) == Cell.of(*home)
    assert modal_cell(codes[2:4]) == Cell.of(*home).plane
    assert modal_cell(reversed(codes)) == modal_cell(codes)
    assert modal_cell([]) is None
