"""Rows and readings in InfluxDB's line protocol. Pure."""

import math
from datetime import datetime
from functools import lru_cache

import mmh3

from models.times import epoch_ns
from sinks.base import Row
from sinks.reading import Reading

TRANSACTIONS, READINGS = "transactions", "sensor_readings"

_REGION_CHARS = 3  # of a geohash: cells of some 150 km, so that there are few series
_KEY_ESCAPES = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\n", "\r": r"\r", "\t": r"\t"})
_TEXT_ESCAPES = str.maketrans({'"': r"\"", "\\": r"\\"})


def line_of_row(row: Row) -> str:
    """A row as a point. Raises ValueError for a number that is not finite: the protocol cannot write it.

    A point is known by its tags and its time, and written over by another that has both. As a tag the
    token would make a series of every row, which InfluxDB keeps in memory; as a field it would tell
    nobody apart. So it is in the time, which is within the row's range, and always the same for a row.
    Of n rows with equal tags in the same hour some n² / 7.2e12 meet, and one of these would be lost: of
    10,000 one in 70,000 times.
    """
    tags = (row.device_type, row.merchant_category, row.place, row.verdict)
    look, begin_ns, span_ns = _look(tags, row.amount_from, row.amount_to, row.time_from, row.time_to)
    loss = row.information_loss
    if not math.isfinite(loss):
        raise ValueError("a number is not finite")
    merchant = "" if row.merchant is None else f",merchant={_text(row.merchant)}"
    usual = "" if row.usual_place is None else f",usual_place={'true' if row.usual_place else 'false'}"
    # In one piece: built of a list of its fields, a line took twice as long.
    return (
        f"{look},group_size={row.group_size}i,information_loss={loss!r},row_token={_text(row.row_token)}"
        f",schema_version={row.schema_version}i{merchant}{usual}"
        f" {begin_ns + mmh3.hash64(row.row_token, signed=False)[0] % span_ns}"
    )


def line_of_reading(reading: Reading) -> str:
    """A reading as a point of its device. Raises ValueError as `line_of_row` does."""
    fields = ",".join(
        f"{name}={_text(value) if isinstance(value, str) else _number(value)}"
        for name, value in reading.fields.items()
    )
    return f"{READINGS}{_tags({'device_id': reading.device_id})} {fields} {reading.time_ms * 1_000_000}"


# The rows of a group look alike and come together: this is made once for k of them.
@lru_cache(maxsize=4096)
def _look(
    tags: tuple[str, str, str, str], least: float, most: float, time_from: datetime, time_to: datetime
) -> tuple[str, int, int]:
    """Where a line begins; its time range's beginning and length. Raises as `line_of_row` does."""
    if not math.isfinite(least + most):
        raise ValueError("a number is not finite")
    begin_ns, end_ns = epoch_ns(time_from), epoch_ns(time_to)
    device_type, merchant_category, place, verdict = tags
    series = {
        "device_type": device_type,
        "merchant_category": merchant_category,
        "region": place[:_REGION_CHARS],
        "verdict": verdict,
    }
    look = (
        f"{TRANSACTIONS}{_tags(series)} amount_from={least!r},amount_mid={(least + most) / 2!r}"
        f",amount_to={most!r},place={_text(place)},time_from_ns={begin_ns}i,time_to_ns={end_ns}i"
    )
    return look, begin_ns, max(1, end_ns - begin_ns)


def _tags(tags: dict[str, str]) -> str:
    # No tag has an empty value, and a \ at its end would escape what follows.
    return "".join(
        f",{name}={text}"
        for name, value in tags.items()
        if (text := value.translate(_KEY_ESCAPES).rstrip("\\"))
    )


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return repr(float(value))


def _text(value: str) -> str:
    if '"' in value or "\\" in value:  # seldom, and translate() takes longer than to look
        value = value.translate(_TEXT_ESCAPES)
    return f'"{value}"'
