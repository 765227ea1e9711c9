"""Cells of the Earth by name: geohash (Niemeyer, 2008), a letter more for every 32nd part of a cell."""

from typing import Final

MOST_CHARACTERS: Final = 8  # 40 bits; 38 m by 19 m

_LETTERS: Final = "0123456789bcdefghjkmnpqrstuvwxyz"
_BITS: Final = 5


def code_bits(characters: int) -> int:
    """Bits of the code of a cell with a name of that length."""
    return _BITS * characters


def cell_code(latitude_deg: float, longitude_deg: float, characters: int) -> int:
    """The number whose digits to the base of 32 are the cell's name: first bits of a code are a larger cell.

    A place on the border of two cells belongs to the northern and eastern one; the pole and the antimeridian
    to the last one.
    """
    bits = code_bits(characters)
    east_bits, north_bits = (bits + 1) // 2, bits // 2
    east = min(int((longitude_deg + 180) / 360 * (1 << east_bits)), (1 << east_bits) - 1)
    north = min(int((latitude_deg + 90) / 180 * (1 << north_bits)), (1 << north_bits) - 1)
    # Halves of east and west come first and take turns with north and south.
    if bits % 2:
        return _spread(east) | _spread(north) << 1
    return _spread(east) << 1 | _spread(north)


def cell_name(code: int, characters: int) -> str:
    """The name of the cell with this code; empty, for the whole Earth, where it has no characters."""
    shifts = range(code_bits(characters) - _BITS, -1, -_BITS)
    return "".join(_LETTERS[code >> shift & 31] for shift in shifts)


def _spread(number: int) -> int:
    """Put a zero before every bit: the digits are the same, to the base of four."""
    return int(f"{number:b}", 4)
