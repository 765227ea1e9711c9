"""From the cell of a column to the value of a field. Reasons name the field, never the cell."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from models.times import parse_time, utc_datetime
from sources.files.file_map import Source, part_of, takes_int
from sources.files.units import EPOCHS, checked_zone, units_of

Reader = Callable[[Any], Any]
"""Gives a field's value for a cell, None where there is none. Raises ValueError with a reason."""

_LONGEST_NUMBER = 40  # characters; to read one of millions of digits takes minutes
_MOST_NS = 2**63
_EXACT_IN_FLOAT = 2**53


def reader_of(each: msgspec.structs.FieldInfo, source: Source, decimal: str) -> Reader:
    """How the cells of `source` become the field `each` of a message."""
    part = part_of(each)
    if part == "time":
        return time_reader(each.encode_name, source)
    return _number_reader(each, source, decimal) if part == "number" else _text_reader(each, source)


def time_reader(name: str, source: Source) -> Reader:
    """How cells become times, in UTC."""
    zone = checked_zone(source.zone) if source.zone else UTC
    unknown = frozenset(map(str, source.unknown))

    def read(cell: Any) -> datetime | None:
        if cell is None or _is_nan(cell):
            return None
        if isinstance(cell, str):
            cell = cell.strip()
            if not cell or cell in unknown:
                return None
        try:
            return _time_of(cell, source, zone)
        except (ValueError, ArithmeticError):  # decimal has its own overflow
            pass
        wanted = f"a number ({source.unit})" if source.unit else source.format or "ISO 8601"
        raise ValueError(f"{name} is not a time: wanted {wanted}")

    return read


def _time_of(cell: Any, source: Source, zone: tzinfo) -> datetime:
    """Raises ValueError or ArithmeticError where it is none."""
    if isinstance(cell, datetime):
        moment = cell
    elif source.unit is not None:
        return utc_datetime(_epoch_ns(cell, source.unit))
    elif not isinstance(cell, str):
        raise ValueError("a number without a unit, or a date without a time of day")
    elif source.format is not None:
        moment = datetime.strptime(cell, source.format)  # noqa: DTZ007 - the zone is put in below
    else:
        moment = parse_time(cell)
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _epoch_ns(cell: Any, unit: str) -> int:
    unit_ns, zero_ns = EPOCHS[unit]
    if isinstance(cell, bool | date) or len(text := str(cell)) > _LONGEST_NUMBER or "_" in text:
        raise ValueError("no number")
    elapsed_ns = Decimal(text) * unit_ns
    if not abs(elapsed_ns) < _MOST_NS:  # before int(), which would write out all zeros of 1e999999
        raise ValueError("beyond all times")
    return int(elapsed_ns) + zero_ns


def _number_reader(each: msgspec.structs.FieldInfo, source: Source, decimal: str) -> Reader:
    times, divided_by = units_of(each.name)[source.unit] if source.unit else (1, 1)
    name, is_scaled, unknown = each.encode_name, times != divided_by, frozenset(source.unknown)

    def read(cell: Any) -> float | None:
        if isinstance(cell, str):
            cell = cell.strip()
            if not cell or cell in unknown:
                return None
            value = _float_of(cell.replace(",", ".") if decimal == "," else cell)
        elif cell is None or _is_nan(cell):
            return None
        else:
            value = _float_of(cell)
        if value in unknown:
            return None
        if not math.isfinite(value):
            raise ValueError(f"{name} is not a number")
        return value * times / divided_by if is_scaled else value

    return read


def _text_reader(each: msgspec.structs.FieldInfo, source: Source) -> Reader:
    name, may_be_int, unknown = each.encode_name, takes_int(each), frozenset(source.unknown)

    def read(cell: Any) -> str | int | None:
        if isinstance(cell, str):
            return None if not cell or cell in unknown else cell
        if cell is None or _is_nan(cell):
            return None
        if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT_IN_FLOAT:
            cell = int(cell)  # a column of whole numbers with gaps, as data frames write it
        if isinstance(cell, int) and not isinstance(cell, bool):
            if cell in unknown:
                return None
            return cell if may_be_int else str(cell)
        if isinstance(cell, Decimal):
            return f"{cell:f}"
        if isinstance(cell, bytes):
            try:
                return cell.decode() or None
            except UnicodeDecodeError:
                raise ValueError(f"{name} is not UTF-8") from None
        raise ValueError(f"{name} is neither text nor a whole number")

    return read


def _float_of(cell: Any) -> float:
    """NaN where it is no number."""
    if isinstance(cell, bool) or (
        isinstance(cell, str) and "_" in cell
    ):  # Python alone reads 1_0 as a number
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_nan(cell: Any) -> bool:
    """Whether it is the gap that data frames write for a missing value."""
    return isinstance(cell, float | Decimal) and cell != cell  # noqa: PLR0124 - NaN alone differs from itself
