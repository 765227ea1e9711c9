"""sources/files/parquet_rows.py: Parquet as data frames and banks write it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.files.result import Placed, Unreadable
from streaming.errors import ConfigError
from tests.files import events_of, messages_of, results_of, transaction_row, unreadable_of
from tests.messages import CARD_NUMBER, NOON_MS

NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)


def parquet(folder: Path, columns: dict[str, Any], **options: Any) -> Path:
    """A file of these columns."""
    path = folder / "bank.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def bank(folder: Path, rows: int = 2, **changes: Any) -> Path:
    """Purchases, with the given columns changed."""
    return parquet(folder, {name: [cell] * rows for name, cell in transaction_row().items()} | changes)


def test_rows_are_events(tmp_path: Path) -> None:
    """Text columns, as a table of strings has them."""
    first, second = events_of(bank(tmp_path))
    assert first == second
    assert (first.topic, first.key, first.arrival_ms) == ("transaction_data", "phone", NOON_MS)
    assert messages_of([first])[0]["Amount"] == 12.5


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NOON], pa.timestamp("us", "UTC")),
        pa.array([NOON], pa.timestamp("ms", "America/Los_Angeles")),
        pa.array([NOON], pa.timestamp("s", "+05:30")),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([NOON_MS * 1_000_000 + 1], pa.timestamp("ns")),
        pa.array([NOON_MS * 1_000_000 + 999], pa.timestamp("ns", "UTC")),
        pa.array(["2024-04-01T14:00:00+02:00"]),
        pa.array(["2024-04-01T12:00:00Z"]).dictionary_encode(),
    ],
    ids=str,
)
def test_times_of_all_types_and_zones_are_the_same_moment(tmp_path: Path, times: pa.Array) -> None:
    """What has no zone is UTC."""
    (event,) = events_of(bank(tmp_path, rows=1, Timestamp=times))
    assert messages_of([event])[0]["Timestamp"] == "2024-04-01T12:00:00Z"


def test_a_time_without_a_zone_has_that_of_the_map(tmp_path: Path) -> None:
    """As a bank in Berlin writes its own."""
    path = bank(tmp_path, rows=1, Timestamp=pa.array([datetime(2024, 4, 1, 14)]))  # noqa: DTZ001
    source = '{ column = "Timestamp", zone = "Europe/Berlin" }'
    toml = f'[bank]\nmessage = "transaction"\nfields.Timestamp = {source}\n'
    assert events_of(path, toml=toml)[0].arrival_ms == NOON_MS


def test_numbers_of_all_types_are_numbers(tmp_path: Path) -> None:
    """Decimals, as banks keep amounts; whole numbers with gaps, which data frames make floats of."""
    path = bank(
        tmp_path,
        **{
            "Amount": pa.array([Decimal("12.50"), Decimal("-0.01")], pa.decimal128(9, 2)),
            "Card Number": pa.array([4000001234567899.0, float("nan")]),
            "Transaction ID": pa.array([7, 8], pa.int64()),
            "User ID": pa.array([b"u", None], pa.binary()),
            "Location Latitude": pa.array([37.5, 38.5], pa.float32()),
        },
    )
    first, second = messages_of(events_of(path))
    assert (first["Amount"], second["Amount"]) == (12.5, -0.01)
    assert (first["Card Number"], first["Transaction ID"], first["User ID"]) == (4000001234567899, "7", "u")
    assert second.keys().isdisjoint({"Card Number", "User ID"})


def test_nested_columns_have_a_dot_in_their_names(tmp_path: Path) -> None:
    """Structs within structs; lists among the other columns do no harm."""
    columns = {
        "when": pa.array([NOON]),
        "position": pa.array([{"point": {"lat": 1.5, "lon": 2.5}}]),
        "tags": pa.array([["a", "b"]]),
    }
    toml = (
        '[track]\nmessage = "location"\n[track.fields]\n'
        'Time = "when"\nLatitude = "position.point.lat"\nLongitude = "position.point.lon"\n'
    )
    (message,) = messages_of(events_of(parquet(tmp_path, columns), toml=toml))
    assert (message["DeviceId"], message["Latitude"], message["Longitude"]) == ("bank", 1.5, 2.5)


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("Amount", pa.array([1.0, float("inf")]), "Amount is not a number"),
        ("Amount", pa.array([1.0, None]), "Object missing required field `Amount`"),
        ("Amount", pa.array([1.0, float("nan")]), "Object missing required field `Amount`"),
        ("Location Latitude", pa.array([1.0, 91.0]), ""),
        ("Timestamp", pa.array([0, 2**62], pa.timestamp("ms")), "Timestamp is not a time"),
        ("Timestamp", pa.array([0, 2**61], pa.timestamp("us", "UTC")), "Timestamp is not a time"),
        ("Name", pa.array([b"a", b"\xff"]), "Name is not UTF-8"),
    ],
)
def test_a_bad_cell_spoils_its_own_row(tmp_path: Path, column: str, cells: pa.Array, reason: str) -> None:
    """Arrow gives a column up where one of its times is beyond Python's."""
    good, bad = results_of(bank(tmp_path, **{column: cells}))
    assert isinstance(good, Placed)
    assert isinstance(bad, Unreadable)
    assert bad.place == "row 2"
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (pa.array([date(2024, 4, 1)]), "Timestamp is not a time"),
        (pa.array([True]), "Timestamp is not a time"),
        (pa.array([1711972800]), "Timestamp is not a time"),
    ],
    ids=str,
)
def test_what_is_no_time_is_unreadable(tmp_path: Path, cells: pa.Array, reason: str) -> None:
    """A number may count seconds or nanoseconds: only a map can say."""
    found = unreadable_of(bank(tmp_path, rows=1, Timestamp=cells))
    assert found["row 1"].startswith(reason)


def test_a_list_is_no_field(tmp_path: Path) -> None:
    """Its column has another name: the one that is needed is missing."""
    with pytest.raises(ConfigError, match=r"bank\.parquet: has no column 'Amount'"):
        results_of(bank(tmp_path, rows=1, Amount=pa.array([[1.0]])))


def test_what_is_no_parquet_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Its footer is at its end: what is cut off cannot be read at all."""
    path = bank(tmp_path, rows=1000)
    whole = path.read_bytes()
    for content in (b"", b"PAR1", whole[: len(whole) // 2], CARD_NUMBER.encode() * 100):
        path.write_bytes(content)
        with pytest.raises(
            ConfigError, match=r"bank\.parquet: cannot be read: it is no Parquet file"
        ) as caught:
            results_of(path)
        assert CARD_NUMBER not in str(caught.value)
    with pytest.raises(ConfigError, match=r"none\.parquet: cannot be read: "):
        results_of(tmp_path / "none.parquet")


def test_a_damaged_page_ends_the_file_with_what_is_lost(tmp_path: Path) -> None:
    """Row groups of a thousand; the last one has zeros where its compressed pages were."""
    columns = {
        "DeviceId": [f"phone-{number}" for number in range(5000)],
        "Time": ["2024-04-01T12:00:00Z"] * 5000,
        "Latitude": [number / 100 for number in range(5000)],
        "Longitude": [1.0] * 5000,
    }
    path = parquet(tmp_path, columns, row_group_size=1000, compression="zstd", use_dictionary=False)
    chunk = pq.ParquetFile(path).metadata.row_group(4).column(0)
    content = bytearray(path.read_bytes())
    begin, length = chunk.data_page_offset, chunk.total_compressed_size
    content[begin : begin + length] = bytes(length)
    path.write_bytes(content)
    *good, bad = results_of(path)
    assert all(isinstance(each, Placed) for each in good)
    assert isinstance(bad, Unreadable)
    assert bad.place == f"after row {len(good)}"
    assert bad.reason == f"the file is damaged: {5000 - len(good):,} rows are lost"
