"""How rows coarsen, and what is said where a file of hierarchies is wrong."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.anonymity.reading import hierarchies_of, target_of
from app.settings import Settings
from privacy.anonymity.generaliser import Generaliser
from privacy.anonymity.geohash import cell_code, cell_name, code_bits
from privacy.anonymity.tree import Tree
from streaming.errors import ConfigError
from tests.anonymity import SMALL, SMALL_TOML, cell, row

TREE = Tree(tomllib.loads(SMALL_TOML)["merchant_category"])


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "name"),
    [
        (57.64911, 10.40744, "u4pruydq"),  # the example of geohash.org, with eleven characters there
        (42.605, -5.603, "ezs42"),
        (-90.0, -180.0, "0000"),
        (90.0, 180.0, "zzzz"),
    ],
)
def test_cells_have_the_names_that_others_give_them(
    latitude_deg: float, longitude_deg: float, name: str
) -> None:
    """Maps of other programs show them."""
    assert cell_name(cell_code(latitude_deg, longitude_deg, len(name)), len(name)) == name


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 8))
def test_a_place_lies_in_its_cell_and_the_cell_in_the_larger_ones(
    latitude_deg: float, longitude_deg: float, characters: int
) -> None:
    """First letters of a name are a cell around it."""
    code = cell_code(latitude_deg, longitude_deg, characters)
    for length in range(characters + 1):
        larger = cell_name(code >> code_bits(characters - length), length)
        assert cell_name(code, characters).startswith(larger)
        south, north, west, east = cell(larger)
        assert south - 1e-9 <= latitude_deg <= north + 1e-9  # on a border, rounding chooses
        assert west - 1e-9 <= longitude_deg <= east + 1e-9


@pytest.mark.parametrize(
    ("one", "other", "joined", "loss"),
    [
        ("Hotel", "hotel ", "Hotel", 0.0),
        ("Hotel", "Flight", "travel", 1 / 6),  # two leaves of seven: unknown and other are leaves
        ("Flight", "Cinema", "leisure", 2 / 6),
        ("Cinema", "Hotel", "leisure", 2 / 6),
        ("Groceries", "Hotel", "*", 1.0),
        (None, "Hotel", "*", 1.0),
        (None, None, "unknown", 0.0),
        ("Zoo", "Pharmacy", "other", 0.0),
    ],
)
def test_two_leaves_have_a_family(one: str | None, other: str | None, joined: str, loss: float) -> None:
    """The smallest that holds both; what is missing and what is not declared have places of their own."""
    low, high = sorted((TREE.code(one), TREE.code(other)))
    assert TREE.name(low, high) == joined
    assert TREE.losses()[low, high] == pytest.approx(loss)


def test_the_loss_of_a_box_is_the_mean_of_its_axes() -> None:
    """By hand: a cell of two characters is one step of two, five minutes of ten, two edges of four, ..."""
    generaliser = Generaliser(SMALL)
    one, other = (
        generaliser.codes(row(1, latitude_deg=37.33, amount=5.0, merchant_category="Hotel")),
        generaliser.codes(
            row(2, latitude_deg=38.33, amount=15.0, merchant_category="Flight", device_type=None)
        ),
    )
    assert one is not None
    assert other is not None
    points = np.array([one, other], dtype=np.int64).T
    low, high = points.min(axis=1), points.max(axis=1)
    shape = generaliser.generalisation(low, high)
    assert (shape.place, shape.amount_from, shape.amount_to) == ("9q", 0.0, 20.0)
    assert (shape.merchant_category, shape.device_type) == ("travel", "*")
    assert shape.information_loss == pytest.approx((1 / 2 + 0 + 1 / 3 + 1 / 6 + 1) / 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("place = ", "is no TOML: Invalid value (at"),
        ("[place]\ncharacters = [5, 0]", "[time] is missing"),
        ("[city]\nx = 1", "[city] is no quasi-identifier; they are place, time, amount"),
        (SMALL_TOML.replace("[4, 2, 0]", "[4, 2]"), "[place]: `characters` must end with 0"),
        (SMALL_TOML.replace("[4, 2, 0]", "[2, 4, 0]"), "[place]: `characters` must fall"),
        (SMALL_TOML.replace("[4, 2, 0]", "[9, 0]"), "[place]: Expected `int` <= 8"),
        (SMALL_TOML.replace("step_s", "steps"), "[time]: Object contains unknown field `steps`"),
        (SMALL_TOML.replace("600", "100"), "[time]: `span_s` must be two steps"),
        (SMALL_TOML.replace("[0, 10, 20", "[0, 20, 10"), "[amount]: `edges` must rise"),
        (SMALL_TOML.replace("[0, 10, 20, 50, 100]", "[0, 10]"), "[amount]: `edges` must be three"),
        (SMALL_TOML.replace('["Cinema"]', '["HOTEL"]'), "[merchant_category]: 'HOTEL' stands there twice"),
        (SMALL_TOML.replace('["Cinema"]', "[]"), "[merchant_category]: leisure.fun is no list of names"),
        (SMALL_TOML.replace('"Cinema"', '"*"'), "[merchant_category]: '*' stands there twice, or is *"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_it_and_the_field(text: str, said: str, tmp_path: Path) -> None:
    """At the start, not at the first row."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        hierarchies_of(Settings(anonymity_hierarchies_file=str(path)))
    assert str(refused.value).startswith(f"{path}: ")
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    """The operator looks there."""
    with pytest.raises(ConfigError, match="SMARTBANK_ANONYMITY_HIERARCHIES_FILE"):
        hierarchies_of(Settings(anonymity_hierarchies_file=str(tmp_path / "none.toml")))


def test_a_delta_that_no_group_fits_in_is_refused() -> None:
    """Everything would be suppressed."""
    with pytest.raises(ConfigError, match="delta is 9: so few rows are never a group of k=10"):
        target_of(Settings(), delta=9)
    assert target_of(Settings(anonymity_k=3), l=4).k == 3
