"""Rows and readings as records of Amazon Timestream for LiveAnalytics, and what of them it takes. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from models.times import epoch_ns
from sinks.base import Row
from sinks.reading import Reading

# Amazon's quotas (docs.aws.amazon.com/timestream/latest/developerguide/ts-limits.html).
MOST_RECORDS: Final = 100
"""Of one call."""
MOST_AHEAD_MS: Final = 15 * 60_000
_MOST_DIMENSIONS: Final = 128
_MOST_DIMENSIONS_BYTES: Final = 2048
_MOST_DIMENSION_NAME_BYTES: Final = 60
_MOST_MEASURE_NAME_BYTES: Final = 256
_MOST_VALUE_CHARS: Final = 2048
_MOST_RECORD_BYTES: Final = 2048
_NUMBER_BYTES: Final = 8  # as Amazon counts them

Record = dict[str, Any]

COMMON: Final[Mapping[str, Any]] = {"MeasureValueType": "MULTI", "TimeUnit": "MILLISECONDS"}
"""CommonAttributes of all our calls."""

_NS_PER_MS: Final = 1_000_000


def record_of_row(row: Row) -> Record:
    """A row as a record. Known by its dimensions, of which the token is one, and its time.

    A higher version is written over a lower one; the same version with the same values is no error.
    """
    dimensions = {
        "row_token": row.row_token,
        "merchant_category": row.merchant_category,
        "device_type": row.device_type,
        "verdict": row.verdict,
        "place": row.place,
    }
    measures: dict[str, Any] = {
        "amount_from": row.amount_from,
        "amount_to": row.amount_to,
        "amount_mid": (row.amount_from + row.amount_to) / 2,
        "merchant": row.merchant,
        "usual_place": row.usual_place,
        "group_size": row.group_size,
        "information_loss": row.information_loss,
        "time_to_ms": epoch_ns(row.time_to) // _NS_PER_MS,
    }
    return _record(
        "transaction", epoch_ns(row.time_from) // _NS_PER_MS, dimensions, measures, row.schema_version
    )


def record_of_reading(reading: Reading) -> Record:
    """A reading as one record; deploy/aws/topic-rule.json writes one for each of its fields."""
    dimensions = {"device_id": reading.device_id}
    return _record("location", reading.time_ms, dimensions, reading.fields, 1)


def _record(
    name: str, time_ms: int, dimensions: Mapping[str, str], measures: Mapping[str, Any], version: int
) -> Record:
    return {
        "Dimensions": [
            {"Name": key, "Value": value, "DimensionValueType": "VARCHAR"}
            for key, value in dimensions.items()
            if value
        ],
        "MeasureName": name,
        "MeasureValues": [_measure(key, value) for key, value in measures.items() if value not in {None, ""}],
        "Time": str(time_ms),
        "Version": version,
    }


def _measure(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, bool):
        return {"Name": name, "Value": "true" if value else "false", "Type": "BOOLEAN"}
    if isinstance(value, int):
        return {"Name": name, "Value": str(value), "Type": "BIGINT"}
    if isinstance(value, float):
        return {"Name": name, "Value": repr(value), "Type": "DOUBLE"}
    return {"Name": name, "Value": str(value), "Type": "VARCHAR"}


def why_refused(record: Record, *, now_ms: int, oldest_ms: int) -> tuple[str, str] | None:
    """Reason code and reason why Amazon would refuse a record; None where we know none.

    One that breaks the form of a call makes Amazon refuse the whole call, and says not always which it was.
    """
    return next(chain(_of_form(record), _of_time(int(record["Time"]), now_ms, oldest_ms)), None)


def _of_form(record: Record) -> Iterator[tuple[str, str]]:
    dimensions, measures = record["Dimensions"], record["MeasureValues"]
    if not 0 < len(dimensions) <= _MOST_DIMENSIONS:
        yield "schema", f"{len(dimensions)} dimensions; wanted 1 to {_MOST_DIMENSIONS}"
    if any(_bytes(each["Name"]) > _MOST_DIMENSION_NAME_BYTES for each in dimensions):
        yield "schema", f"a dimension's name has more than {_MOST_DIMENSION_NAME_BYTES} bytes"
    if (length := _pairs_bytes(dimensions)) > _MOST_DIMENSIONS_BYTES:
        yield "too_large", f"its dimensions have {length} bytes; at most {_MOST_DIMENSIONS_BYTES} are taken"
    if not measures:
        yield "schema", "it measures nothing"
    for each in measures:
        yield from _of_measure(each["Name"], each["Value"], each["Type"])
    if (length := _record_bytes(record)) > _MOST_RECORD_BYTES:
        yield "too_large", f"it has {length} bytes; at most {_MOST_RECORD_BYTES} are taken"


def _of_measure(name: str, value: str, kind: str) -> Iterator[tuple[str, str]]:
    if _bytes(name) > _MOST_MEASURE_NAME_BYTES:
        yield "schema", f"a measure's name has more than {_MOST_MEASURE_NAME_BYTES} bytes"
    if kind == "DOUBLE" and not math.isfinite(float(value)):
        yield "bad_value", f"{name} is not finite"
    if len(value) > _MOST_VALUE_CHARS:
        yield "too_large", f"{name} has more than {_MOST_VALUE_CHARS} characters"


def _of_time(time_ms: int, now_ms: int, oldest_ms: int) -> Iterator[tuple[str, str]]:
    if time_ms < oldest_ms:
        yield "expired", "it is older than what the table keeps"
    if time_ms > now_ms + MOST_AHEAD_MS:
        yield "bad_value", "its time is more than 15 minutes ahead"


def _record_bytes(record: Record) -> int:
    measures = record["MeasureValues"]
    values = [_bytes(each["Value"]) if each["Type"] == "VARCHAR" else _NUMBER_BYTES for each in measures]
    names = [_bytes(each["Name"]) for each in (*measures, {"Name": record["MeasureName"]})]
    return _pairs_bytes(record["Dimensions"]) + sum(names) + sum(values) + _NUMBER_BYTES


def _pairs_bytes(pairs: Sequence[Mapping[str, str]]) -> int:
    return sum(_bytes(each["Name"]) + _bytes(each["Value"]) for each in pairs)


def _bytes(text: str) -> int:
    return len(text.encode())
