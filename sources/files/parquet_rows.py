"""Parquet: rows batch by batch, only the columns that are needed."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sources.files.result import Row, Unreadable
from streaming.errors import ConfigError

_BATCH_ROWS = 4096


class ParquetRows:
    """The rows of a Parquet file; `columns` are its leaves, nested ones with a dot in their names.

    Memory: a row group of the file and a batch. Raises ConfigError where it is no Parquet file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except OSError as e:
            if e.strerror:
                raise ConfigError(f"{path}: cannot be read: {e.strerror}") from None
            raise self._no_parquet() from None
        except pa.ArrowException:
            raise self._no_parquet() from None
        schema = self._file.schema
        self.columns = tuple(schema.column(index).path for index in range(len(schema.names)))

    def _no_parquet(self) -> ConfigError:
        return ConfigError(
            f"{self._path}: cannot be read: it is no Parquet file, is cut off, or is encrypted"
        )

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Unreadable]:
        """Yield the rows with these columns; a damaged file ends with what is unreadable of it."""
        number = 0
        try:
            for batch in self._file.iter_batches(_BATCH_ROWS, columns=list(columns), use_threads=False):
                names, lists = _columns_of(batch)
                for cells in zip(*lists, strict=True) if lists else repeat((), batch.num_rows):
                    number += 1
                    yield Row(f"row {number}", dict(zip(names, cells, strict=True)))
        except (OSError, pa.ArrowException):
            missing = self._file.metadata.num_rows - number
            yield Unreadable(f"after row {number}", f"the file is damaged: {missing:,} rows are lost")


def _columns_of(batch: pa.RecordBatch) -> tuple[list[str], list[list[Any]]]:
    table = pa.Table.from_batches([batch])
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table.column_names, [_cells(column) for column in table.columns]


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """Python's values; what has none (a time beyond the year 9999) stands as the Arrow scalar it is."""
    if pa.types.is_timestamp(column.type):  # in UTC, whatever the zone; Python knows no nanoseconds
        unit = "us" if column.type.unit == "ns" else column.type.unit
        column = column.cast(pa.timestamp(unit, "UTC" if column.type.tz else None), safe=False)
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return [_cell(scalar) for scalar in column]


def _cell(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException):
        return scalar
