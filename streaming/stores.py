"""Where the rows of one table's partition lie: in memory, or in RocksDB with their changelog offset."""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from rocksdict import AccessType, Options, Rdict, WriteBatch, WriteOptions

from streaming.errors import FatalError
from streaming.layout import Row
from streaming.recent_rows import RecentRows

log = logging.getLogger(__name__)

# RocksDB's own log is off, as in Kafka Streams: after a kill, the changelog brings what was not flushed yet.
_WITHOUT_LOG = WriteOptions()
_WITHOUT_LOG.disable_wal = True

_RECENT_ROWS = 10_000  # of a generation and partition
_OFFSET_KEY = b""  # no row's key: it lies beside the rows, so that no damage can part it from them


class PartitionStore(Protocol):
    """Rows of one partition. What is put is visible at once and durable when its changelog offset is known.

    Keys are not empty. `offset` is that of the last changelog record which the store holds, None where it
    holds none: recovery reads on behind it.
    """

    offset: int | None

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows of those keys that there are."""

    def put_many(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Write rows that are on their way to the changelog."""

    def settle(self, rows: Mapping[bytes, bytes | None], offset: int) -> None:
        """Keep the very rows of an earlier `put_many` for good: the changelog has them up to `offset`."""

    def restore(self, rows: Iterable[Row], offset: int) -> None:
        """Write rows that were read from the changelog up to `offset`."""

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows."""

    def row_count(self) -> int:
        """How many rows there are, or about as many; costs nothing."""

    def close(self) -> None:
        """Let go of it; nothing else is called afterwards."""

    def destroy(self) -> None:
        """Let go of it and delete what it holds; nothing else is called afterwards."""


class MemoryPartition:
    """Rows in a dict. A worker that keeps its partition over a rebalance keeps the rows and the offset."""

    def __init__(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self.offset: int | None = None

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows of those keys that there are."""
        rows = self._rows
        return {key: rows[key] for key in keys if key in rows}

    def put_many(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Write or delete rows."""
        for key, value in rows.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value

    def settle(self, rows: Mapping[bytes, bytes | None], offset: int) -> None:  # noqa: ARG002 (they are there)
        """Remember how far the changelog has come."""
        self.offset = max(offset, -1 if self.offset is None else self.offset)

    def restore(self, rows: Iterable[Row], offset: int) -> None:
        """Write rows of the changelog; the last one of a key counts."""
        self.put_many(dict(rows))
        self.offset = offset

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows."""
        return iter(self._rows.items())

    def row_count(self) -> int:
        """Exactly."""
        return len(self._rows)

    def close(self) -> None:
        """Nothing to let go of."""

    def destroy(self) -> None:
        """Nothing to delete."""


class RocksPartition:
    """Rows in a RocksDB directory, always together with the changelog offset that they stand for.

    Rows whose changelog record is not acknowledged yet wait in memory: the directory never holds what the
    changelog does not. A directory that cannot be opened is thrown away; recovery then rebuilds it. Damage
    that shows only when rows are read ends the worker with FatalError; the next start rebuilds.
    """

    def __init__(self, path: Path, recent_rows: int = _RECENT_ROWS) -> None:
        self._unsettled: dict[bytes, Mapping[bytes, bytes | None]] = {}  # key -> the rows that put it last
        self._recent = RecentRows(recent_rows)
        self._path = path
        self._db, self.offset = _open_or_rebuild(path)

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows of those keys that there are."""
        rows, unknown = self._recent.get_many(keys)
        if unknown:
            read = self._read(unknown)
            self._recent.put_many(read)
            rows |= read
        return {key: value for key, value in rows.items() if value is not None}

    def put_many(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Hold rows until the changelog has them."""
        self._unsettled.update(dict.fromkeys(rows, rows))
        self._recent.put_many(rows)

    def _read(self, keys: list[bytes]) -> dict[bytes, bytes | None]:
        """The newest rows of keys, on disk or on their way to it; None where there is none."""
        try:
            rows = dict(zip(keys, self._db.get(keys), strict=True))
        except Exception as error:
            if "Corruption" not in str(error):  # RocksDB's word; rocksdict has no types
                raise
            raise self._thrown_away(error) from error
        for key in keys:
            if unsettled := self._unsettled.get(key):
                rows[key] = unsettled[key]
        return rows

    def settle(self, rows: Mapping[bytes, bytes | None], offset: int) -> None:
        """Write rows and offset in one batch."""
        self._write(rows.items(), offset)
        for key in rows:
            if self._unsettled.get(key) is rows:
                del self._unsettled[key]

    def restore(self, rows: Iterable[Row], offset: int) -> None:
        """Write rows and offset in one batch."""
        self._recent.clear()
        self._write(rows, offset)

    def _write(self, rows: Iterable[Row], offset: int) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(_OFFSET_KEY, b"%d" % offset)
        self._db.write(batch, _WITHOUT_LOG)
        self.offset = offset

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows."""
        for key, value in self._db.items():
            if key != _OFFSET_KEY and key not in self._unsettled:
                yield key, value
        for key, rows in list(self._unsettled.items()):
            if (unsettled := rows[key]) is not None:
                yield key, unsettled

    def row_count(self) -> int:
        """RocksDB's estimate: rows that were written over since the last compaction count again."""
        return max(
            int(self._db.property_int_value("rocksdb.estimate-num-keys") or 0) - 1, 0
        )  # less the offset

    def close(self) -> None:
        """Write what is settled and release the directory for its next owner."""
        self._db.close()

    def destroy(self) -> None:
        """Delete the directory."""
        self._db.close()
        shutil.rmtree(self._path, ignore_errors=True)

    def _thrown_away(self, error: Exception) -> FatalError:
        """Delete the damaged directory; return what to raise."""
        self.destroy()
        return FatalError(
            f"state at {self._path} was damaged and is deleted: start again to rebuild it from the"
            f" changelog: {error}"
        )


def _open_or_rebuild(path: Path) -> tuple[Rdict, int | None]:
    """Open the directory and read its offset; throw it away where it is damaged.

    Raises FatalError where another process holds it.
    """
    try:
        return _open(path)
    except Exception as error:
        if str(path / "LOCK") in str(error):  # RocksDB has no type for it
            raise FatalError(f"state at {path} is in use by another worker: {error}") from error
        log.warning("state at %s cannot be opened and is rebuilt from the changelog: %s", path, error)
        shutil.rmtree(path, ignore_errors=True)
        return _open(path)


def _open(path: Path) -> tuple[Rdict, int | None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)  # noqa: FBT003 (rocksdict's signature)
    db = Rdict(str(path), options=options, access_type=AccessType.read_write())
    try:
        offset = db.get(_OFFSET_KEY)
        return db, None if offset is None else int(offset)
    except Exception:
        db.close()
        raise
