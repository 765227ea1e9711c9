"""The grid on which places are compared: cells half as large as the thresholds of the paper."""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import floor, isfinite
from struct import Struct
from typing import Final, NamedTuple, Self

# The paper ("Real-Time Smart Bank Data Streaming Capture", 2024): as near to the usual place is approved.
LATITUDE_THRESHOLD_DEG: Final = 0.2
LONGITUDE_THRESHOLD_DEG: Final = 0.2
ALTITUDE_THRESHOLD_M: Final = 100.0

CELLS_A_THRESHOLD: Final = 2
_ROWS_A_DEGREE: Final = round(CELLS_A_THRESHOLD / LATITUDE_THRESHOLD_DEG)
_COLUMNS_A_DEGREE: Final = round(CELLS_A_THRESHOLD / LONGITUDE_THRESHOLD_DEG)
_LEVEL_M: Final = ALTITUDE_THRESHOLD_M / CELLS_A_THRESHOLD
_COLUMNS: Final = 360 * _COLUMNS_A_DEGREE
_LAST_ROW: Final = 180 * _ROWS_A_DEGREE  # of the pole itself

_PLANE: Final = Struct(">HH")
_CODE: Final = Struct(">HHi")
CODE_BYTES: Final = _CODE.size
_NO_LEVEL: Final = -(2**31)
_NO_LEVEL_CODE: Final = _NO_LEVEL.to_bytes(4, "big", signed=True)
_HIGHEST_LEVEL: Final = 2**31 - 1 - CELLS_A_THRESHOLD


class Cell(NamedTuple):
    """0.1° of latitude and of longitude, 50 m of altitude; without `level` where the altitude is not known.

    Columns go around the Earth, over the antimeridian.
    """

    row: int
    column: int
    level: int | None

    @classmethod
    def of(cls, latitude_deg: float, longitude_deg: float, altitude_m: float | None) -> Self:
        """The cell of a place. Raises ValueError where it is not on the Earth, or the altitude no number."""
        if not (-90 <= latitude_deg <= 90 and -180 <= longitude_deg <= 180):
            raise ValueError("a latitude lies between -90 and 90 degrees, a longitude between -180 and 180")
        if altitude_m is not None and not isfinite(altitude_m):
            raise ValueError("an altitude is a number of metres, or not known")
        row = floor((latitude_deg + 90) * _ROWS_A_DEGREE)
        column = floor((longitude_deg + 180) * _COLUMNS_A_DEGREE)
        level = None if altitude_m is None else floor(altitude_m / _LEVEL_M)
        if level is not None:
            level = max(-_HIGHEST_LEVEL, min(level, _HIGHEST_LEVEL))
        return cls(row, column % _COLUMNS, level)

    @classmethod
    def from_code(cls, code: bytes) -> Self:
        """Read what `code` wrote; 8 bytes."""
        row, column, level = _CODE.unpack(code)
        return cls(row, column, None if level == _NO_LEVEL else level)

    @property
    def code(self) -> bytes:
        """The cell in 8 bytes, of which the first 4 are row and column."""
        return _CODE.pack(self.row, self.column, _NO_LEVEL if self.level is None else self.level)

    @property
    def plane(self) -> "Cell":
        """The cell without its level."""
        return Cell(self.row, self.column, None)

    @property
    def compared(self) -> "Cell":
        """The cell as it is compared with others.

        Within a threshold of a pole longitudes do not count: a degree of them is less than 400 m there.
        """
        return Cell(self.row, 0, self.level) if _is_polar(self.row) else self

    def near(self) -> Iterator["Cell"]:
        """The cells, as they are compared, that are no more than a threshold away, each once.

        What is within the thresholds of a place in this cell lies in one of them, and what lies in one of
        them is at most one and a half thresholds away from each place in this cell.
        """
        reach = range(-CELLS_A_THRESHOLD, CELLS_A_THRESHOLD + 1)
        levels = [None] if self.level is None else [self.level + step for step in reach]
        planes = {
            Cell(self.row + up, (self.column + right) % _COLUMNS, None).compared
            for up in reach
            if 0 <= self.row + up <= _LAST_ROW
            for right in reach
        }
        return (Cell(row, column, level) for row, column, _ in planes for level in levels)


def modal_cell(codes: Iterable[bytes]) -> Cell | None:
    """The cell that most of a sample lie in, with the most frequent level there; None of an empty sample.

    Level None only where no altitude is known in it. Of equals the one with the greatest code.
    """
    codes = list(codes)
    if not codes:
        return None
    plane = _most_frequent(code[: _PLANE.size] for code in codes)
    there = [code for code in codes if code.startswith(plane)]
    known = [code for code in there if not code.endswith(_NO_LEVEL_CODE)]
    return Cell.from_code(_most_frequent(known or there))


def _most_frequent(codes: Iterable[bytes]) -> bytes:
    return max((count, code) for code, count in Counter(codes).items())[1]


def _is_polar(row: int) -> bool:
    return row < CELLS_A_THRESHOLD or row >= _LAST_ROW - CELLS_A_THRESHOLD
