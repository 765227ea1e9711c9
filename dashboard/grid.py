"""Cells of some kilometres, in which those who may not see exact places see them."""

from dataclasses import dataclass
from math import cos, floor, radians
from typing import NamedTuple

_KM_A_DEGREE = 111.195  # of a meridian, mean


class Cell(NamedTuple):
    """A box on the Earth, degrees."""

    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of equal height; each is divided into equal columns of at least the same width.

    So no cell is cut at the antimeridian, and near the poles, where a degree is short, cells stay wide.
    """

    cell_km: float

    def cell_of(self, latitude_deg: float, longitude_deg: float) -> Cell:
        """The cell in which a place lies."""
        rows = max(1, floor(180 * _KM_A_DEGREE / self.cell_km))
        height_deg = 180 / rows
        row = min(floor((latitude_deg + 90) / height_deg), rows - 1)
        south_deg = row * height_deg - 90
        # The edge nearer to a pole is the shorter one.
        widest_deg = max(abs(south_deg), abs(south_deg + height_deg))
        around_km = 360 * _KM_A_DEGREE * max(cos(radians(widest_deg)), 0.0)
        columns = max(1, floor(around_km / self.cell_km))
        width_deg = 360 / columns
        column = min(floor((longitude_deg + 180) / width_deg), columns - 1)
        west_deg = column * width_deg - 180
        return Cell(
            round(south_deg, 6),
            round(west_deg, 6),
            round(south_deg + height_deg, 6),
            round(west_deg + width_deg, 6),
        )
