"""Anonymized transactions as Parquet files, a folder for each day: on this machine, or on S3 by its URL."""

import asyncio
import hashlib
import os
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyarrow import fs, parquet

from sinks.base import Rejection, Row, StoreAwayError
from streaming.errors import ConfigError

_TIME: Final = pa.timestamp("us", "UTC")
SCHEMA: Final = pa.schema(
    [
        pa.field("row_token", pa.string(), nullable=False),
        pa.field("place", pa.string(), nullable=False),
        pa.field("time_from", _TIME, nullable=False),
        pa.field("time_to", _TIME, nullable=False),
        pa.field("amount_from", pa.float64(), nullable=False),
        pa.field("amount_to", pa.float64(), nullable=False),
        pa.field("merchant_category", pa.string(), nullable=False),
        pa.field("device_type", pa.string(), nullable=False),
        pa.field("merchant", pa.string()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("usual_place", pa.bool_()),
        pa.field("group_size", pa.int64(), nullable=False),
        pa.field("information_loss", pa.float64(), nullable=False),
        pa.field("schema_version", pa.int64(), nullable=False),
    ]
)
_MOST_REASON_CHARS: Final = 500


class ParquetSink:
    """A file for each batch and day of event time, under date=YYYY-MM-DD/.

    A file is there as a whole or not at all, and its name follows from the rows in it: a batch that is
    written again replaces its files. After a crash the same rows may come in other batches, and then
    stand in two files: readers take one row of each row_token.
    """

    name = "parquet"

    def __init__(self, url: str) -> None:
        """`url`: a folder, or what pyarrow.fs knows: s3://BUCKET/PREFIX?region=…. Raises ConfigError."""
        self._is_local = "://" not in url
        self._kept: set[Path] = set()
        try:
            self._files, self._root = fs.FileSystem.from_uri(
                str(Path(url).absolute()) if self._is_local else url
            )
        except (pa.ArrowInvalid, OSError):  # their words quote it, and a secret may stand in it
            raise ConfigError(
                "SMARTBANK_PARQUET_URL cannot be used; wanted a folder or s3://BUCKET/PREFIX?region=…"
            ) from None

    async def migrate(self) -> Sequence[str]:
        """Make the folder; a bucket is made by whoever pays for it."""
        with self._explained():
            found = await asyncio.to_thread(self._files.get_file_info, self._root)
            if not self._is_local or found.type is fs.FileType.Directory:
                return []
            await asyncio.to_thread(self._files.create_dir, self._root)
        return [f"folder {self._root}"]

    async def open(self) -> None:
        """Look whether the folder, or the bucket, is there."""
        top = self._root if self._is_local else self._root.split("/", 1)[0]
        with self._explained():
            found = await asyncio.to_thread(self._files.get_file_info, top)
            is_there = found.type is fs.FileType.Directory
            if is_there and self._is_local and not os.access(top, os.W_OK | os.X_OK):
                raise ConfigError(f"SMARTBANK_PARQUET_URL: nothing may be written to {top}")
        if not is_there:
            what = (
                "no such folder: run `python -m app stores migrate parquet`"
                if self._is_local
                else "no such bucket"
            )
            raise ConfigError(f"SMARTBANK_PARQUET_URL: {top}: {what}")

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Write a file for each day of the rows."""
        try:
            await asyncio.gather(
                *(asyncio.to_thread(self._write, day, of_day) for day, of_day in _by_day(rows).items())
            )
        except OSError as error:
            raise StoreAwayError(_told(error)) from error
        return []

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _write(self, day: date, rows: Sequence[Row]) -> None:
        folder = f"{self._root}/date={day.isoformat()}"
        content = _encoded(rows)
        if self._is_local:
            self._keep_folder(Path(folder))
            _write_durably(Path(folder), _name_of(rows), content)
        else:
            with self._files.open_output_stream(f"{folder}/{_name_of(rows)}") as stream:
                stream.write(content)  # seen when it is closed

    def _keep_folder(self, folder: Path) -> None:
        """Make it, and see to it once that a crash of the machine does not take it away."""
        if folder not in self._kept or not folder.is_dir():
            folder.mkdir(exist_ok=True)
            _sync(folder.parent)
            self._kept.add(folder)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors into ConfigError where only a person can help, else into StoreAwayError."""
        try:
            yield
        except PermissionError as error:
            raise ConfigError(f"SMARTBANK_PARQUET_URL: {_told(error)}") from error
        except OSError as error:
            if "ACCESS_DENIED" in str(error) or "HTTP status 403" in str(error):
                raise ConfigError(
                    "SMARTBANK_PARQUET_URL: S3 refuses the credentials that are found (AWS_ACCESS_KEY_ID, a"
                    " profile or a role), or these may not list the bucket and put objects"
                ) from error
            raise StoreAwayError(_told(error)) from error


def _by_day(rows: Sequence[Row]) -> Mapping[date, list[Row]]:
    found: defaultdict[date, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.time_from.date()].append(row)
    return found


def _name_of(rows: Sequence[Row]) -> str:
    """A name that the same rows, and no others, have in any order."""
    tokens = "\n".join(sorted(row.row_token for row in rows))
    return f"part-{hashlib.sha256(tokens.encode()).hexdigest()[:32]}.parquet"


def _encoded(rows: Sequence[Row]) -> Any:
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
    by_name = dict(zip(Row.__struct_fields__, columns, strict=True))
    table = pa.table({name: by_name[name] for name in SCHEMA.names}, schema=SCHEMA)
    buffer = pa.BufferOutputStream()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _write_durably(folder: Path, name: str, content: Any) -> None:
    """Write and rename, both synced: what is there after a crash of the machine is whole."""
    half = folder / f".{uuid.uuid4().hex}.half"  # readers leave out what begins with a dot
    with half.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(folder / name)
    _sync(folder)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _told(error: Exception) -> str:
    return str(error)[:_MOST_REASON_CHARS]
