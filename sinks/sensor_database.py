"""The sensor database of workflow 1, read back: readings of a span of time, in columns, unsealed."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from models.times import epoch_ns
from privacy.field_encryption import SEALED, FieldCipher, UnreadableSealError
from sinks.influxdb import InfluxBucket
from sinks.influxdb_lines import READINGS
from sinks.reading import PLACE_FIELDS, Reading
from sinks.timestream import TimestreamOptions, connected, explained

Columns = dict[str, list[Any]]
"""device_id, time and PLACE_FIELDS, each as long as the others; None where a reading has no such field."""


async def from_influxdb(bucket: InfluxBucket, since_ms: int, until_ms: int) -> list[Reading]:
    """Read from InfluxDB, oldest first."""
    answer = await bucket.query(
        f"from(bucket: {json.dumps(bucket.name)})"
        f" |> range(start: {_flux_time(since_ms)}, stop: {_flux_time(until_ms)})"
        f' |> filter(fn: (r) => r._measurement == "{READINGS}")'
        ' |> pivot(rowKey: ["_time", "device_id"], columnKey: ["_field"], valueColumn: "_value")'
    )
    tables = (csv.DictReader(table.splitlines()) for table in answer.split("\r\n\r\n") if table.strip())
    return _merged(
        (row["device_id"], epoch_ns(datetime.fromisoformat(row["_time"])) // 1_000_000, row)
        for table in tables
        for row in table
    )


def from_liveanalytics(options: TimestreamOptions, since_ms: int, until_ms: int) -> list[Reading]:
    """Read from Timestream for LiveAnalytics, oldest first, whatever wrote them.

    Our Lambda writes a record a reading; the action `timestream` of a rule one for each of its fields.
    """
    query = (
        f"SELECT * FROM {_quoted(options.database)}.{_quoted(options.table)}"  # noqa: S608 (quoted)
        f" WHERE time >= from_milliseconds({since_ms}) AND time < from_milliseconds({until_ms}) ORDER BY time"
    )
    with explained(options):
        client = connected("timestream-query", options)
        return _merged(
            (row["device_id"], _time_ms(row["time"]), _as_columns(row))
            for page in client.get_paginator("query").paginate(QueryString=query)
            for row in _rows(page)
        )


def columns_of(readings: Iterable[Reading], cipher: FieldCipher | None) -> tuple[Columns, dict[str, int]]:
    """Put readings into columns, sealed ones opened; and tell why some could not be, and how many."""
    columns: Columns = {name: [] for name in ("device_id", "time", *PLACE_FIELDS)}
    unreadable: dict[str, int] = {}
    for reading in readings:
        fields: Mapping[str, Any] = reading.fields
        if SEALED in fields:
            try:
                fields = _opened(reading, cipher)
            except UnreadableSealError as error:
                unreadable[str(error)] = unreadable.get(str(error), 0) + 1
        columns["device_id"].append(reading.device_id)
        columns["time"].append(datetime.fromtimestamp(reading.time_ms / 1000, UTC))
        for name in PLACE_FIELDS:
            columns[name].append(fields.get(name))
    return columns, unreadable


def _opened(reading: Reading, cipher: FieldCipher | None) -> Mapping[str, Any]:
    if cipher is None:
        raise UnreadableSealError("there is no key: see SMARTBANK_IOT_FIELD_KEYS_FILE")
    # A token that was sealed for another device is refused.
    return cipher.opened({"DeviceId": reading.device_id, **reading.fields})


def _merged(rows: Iterable[tuple[str, int, Mapping[str, Any]]]) -> list[Reading]:
    """A reading of all rows of a device and time; those with nothing to read are left out."""
    found: dict[tuple[int, str], dict[str, float | str]] = {}
    for device_id, time_ms, row in rows:
        fields = found.setdefault((time_ms, device_id), {})
        fields |= {name: float(row[name]) for name in PLACE_FIELDS if row.get(name) not in {None, ""}}
        if row.get(SEALED):
            fields[SEALED] = str(row[SEALED])
    return [
        Reading(device_id=device_id, time_ms=time_ms, fields=fields)
        for (time_ms, device_id), fields in sorted(found.items())
        if fields
    ]


def _rows(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    names = [column["Name"] for column in page["ColumnInfo"]]
    for row in page["Rows"]:
        values = (value.get("ScalarValue") for value in row["Data"])
        yield dict(zip(names, values, strict=True))


def _as_columns(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record of one measure as if it were of several."""
    values = [
        value for name, value in row.items() if name.startswith("measure_value::") and value is not None
    ]
    return {**row, row["measure_name"]: values[0]} if values else row


def _time_ms(text: str) -> int:
    """Timestream writes nanoseconds: 2026-11-23 01:00:00.123000000."""
    return epoch_ns(datetime.fromisoformat(text[:26])) // 1_000_000


def _flux_time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
