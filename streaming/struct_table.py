"""A Faust table that works in chunks."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic

import faust
from faust.stores.base import Store
from faust.types import TP

from streaming.cascade import Stage
from streaming.fence import Fence
from streaming.internals import OpenTable
from streaming.layout import Layout, Row, V
from streaming.outbox import Outbox
from streaming.stores import MemoryPartition, PartitionStore, RocksPartition


class View(Generic[V]):
    """Rows of a table as one chunk sees and changes them. Values are frozen: replace, never change them."""

    def __init__(self, store: PartitionStore, keys: Iterable[bytes], decode: Callable[[bytes], V]) -> None:
        self._store = store
        self._asked = set(keys)
        self._rows = store.get_many(self._asked)
        self._decode = decode
        self.changes: dict[bytes, V | None] = {}

    def get(self, key: bytes) -> V | None:
        """The row as this chunk left it, else as it was before; None where there is none.

        One that was not asked for at the start is read now.
        """
        if key in self.changes:
            return self.changes[key]
        row = self._rows.get(key)
        if row is None and key not in self._asked:
            self._asked.add(key)
            self._rows |= self._store.get_many([key])
            row = self._rows.get(key)
        return None if row is None else self._decode(row)

    def absent(self, keys: Iterable[bytes]) -> Iterator[bytes]:
        """Those of `keys`, asked for at the start, that had no row before this chunk."""
        return (key for key in keys if key not in self._rows)

    def __setitem__(self, key: bytes, value: V) -> None:
        self.changes[key] = value

    def __delitem__(self, key: bytes) -> None:
        self.changes[key] = None


class PartitionedStore(Store):  # type: ignore[misc]
    """What Faust's table manager and recovery need of a table's storage, one PartitionStore a partition.

    A partition's store is opened at its first use, closed when the partition goes to another worker, and
    kept where it stays.
    """

    def __post_init__(self) -> None:
        self._partitions: dict[int, PartitionStore] = {}
        self._fences: dict[int, Fence] = {}

    def fence(self, number: int) -> Fence:
        """What is known of the changelog of one partition."""
        return self._fences.setdefault(number, Fence())

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:  # noqa: ARG002
        """Know from here on which rows of the changelog are ours: those behind what was restored."""
        topic = self.table.changelog_topic.get_topic_name()
        highwaters = self.app.tables.recovery.active_highwaters  # Faust's: of the last record
        for tp in active_tps:
            if tp.topic == topic:
                self._fences[tp.partition] = Fence(highwaters[tp] + 1)

    def partition(self, number: int) -> PartitionStore:
        """The store of one partition."""
        if number not in self._partitions:
            self._partitions[number] = self._open(number)
        return self._partitions[number]

    @property
    def partitions(self) -> Mapping[int, PartitionStore]:
        """The stores that are open here."""
        return self._partitions

    def _open(self, number: int) -> PartitionStore:
        if self.url.scheme == "memory":
            return MemoryPartition()
        return RocksPartition(Path(self.app.conf.tabledir) / f"{self.table_name}-{number}.db")

    def forget(self, number: int) -> None:
        """Throw the rows of one partition away: they are to be read from the changelog again."""
        self.partition(number).destroy()
        del self._partitions[number]
        self._fences.pop(number, None)

    def persisted_offset(self, tp: TP) -> int | None:
        """The last changelog offset up to which the partition holds everything."""
        offset = self.partition(tp.partition).offset
        return None if offset is None or offset < 0 else offset

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows of all partitions that are open here."""
        for store in self._partitions.values():
            yield from store.items()

    def __iter__(self) -> Iterator[bytes]:
        return (key for key, _ in self.items())

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def __getitem__(self, key: bytes) -> bytes:
        for store in self._partitions.values():
            if row := store.get_many([key]):
                return row[key]
        raise KeyError(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise TypeError("rows are written in chunks: see StructTable.view and StructTable.write")

    def __delitem__(self, key: bytes) -> None:
        raise TypeError("rows are deleted in chunks: see StructTable.view and StructTable.write")

    def apply_changelog_batch(self, batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
        """Never has anything to do: changelogs are restored by StructTable.restore."""

    async def on_rebalance(
        self,
        assigned: set[TP],  # noqa: ARG002 (Faust's signature)
        revoked: set[TP],
        newly_assigned: set[TP],  # noqa: ARG002
        generation_id: int = 0,  # noqa: ARG002
    ) -> None:
        """Close what went to another worker; its rows would grow stale here."""
        topic = self.table.changelog_topic.get_topic_name()
        for tp in revoked:
            if tp.topic == topic and tp.partition in self._partitions:
                self._partitions.pop(tp.partition).close()
                self._fences.pop(tp.partition, None)

    async def backup_partition(self, tp: Any, *args: Any, **kwargs: Any) -> None:
        """Not offered: the changelog is the backup."""
        raise NotImplementedError("the changelog is the backup of a table")

    def restore_backup(self, tp: Any, *args: Any, **kwargs: Any) -> None:
        """Not offered: the changelog is the backup."""
        raise NotImplementedError("the changelog is the backup of a table")

    def reset_state(self) -> None:
        """Forget everything that is open."""
        self.close()

    async def on_stop(self) -> None:
        """Close every partition."""
        self.close()

    def close(self) -> None:
        """Close every partition."""
        while self._partitions:
            self._partitions.popitem()[1].close()


class StructTable(OpenTable, Generic[V]):
    """A changelog-backed table: keys are bytes (UTF-8 text), values what its layout says.

    Agents read and write through a View of a chunk and hand its changes back: `put` shows them to later
    chunks, and what it returns sends them to the changelog.
    """

    def __init__(
        self,
        app: faust.App,
        *,
        name: str,
        layout: Layout[V],
        partitions: int,
        help: str,  # noqa: A002 (Faust's word)
    ) -> None:
        super().__init__(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes, help=help)
        self._layout = layout
        self._writing = asyncio.Lock()  # whoever writes a row again must not come after a newer one

    def new_store(self, url: Any) -> PartitionedStore:
        """One PartitionStore a partition, in memory or on disk as the URL says."""
        return PartitionedStore(url, self.app, self, table_name=self.name, loop=self.loop)

    def view(self, partition: int, keys: Iterable[bytes]) -> View[V]:
        """Read the rows of `keys`, which lie in that partition, at once."""
        return View(self.data.partition(partition), keys, self._layout.decode)

    def put(self, partition: int, view: View[V]) -> Stage:
        """Put what changed in a view into the store; return what sends it to the changelog.

        The store is settled when the changelog is acknowledged.
        """
        encode = self._layout.encode
        rows = {key: None if value is None else encode(value) for key, value in view.changes.items()}
        records = self._layout.changes(view.changes, rows)
        store: PartitionStore = self.data.partition(partition)
        fence: Fence = self.data.fence(partition)
        store.put_many(rows)

        async def send(outbox: Outbox) -> None:
            async with self._writing:
                await self._ship(partition, store, fence, rows, records, outbox)

        return send

    async def overwrite(self, partition: int, changelog_keys: Iterable[bytes], outbox: Outbox) -> None:
        """Write the rows that records of the changelog belong to once more, as they are here."""
        store: PartitionStore = self.data.partition(partition)
        fence: Fence = self.data.fence(partition)
        async with self._writing:
            keys = {self._layout.store_key(key) for key in changelog_keys}
            found = store.get_many(keys)
            rows = {key: found.get(key) for key in keys}
            await self._ship(partition, store, fence, rows, self._layout.all_of(rows), outbox)

    async def _ship(  # noqa: PLR0917 (what `put` had at hand when it was called: the partition may be gone)
        self,
        partition: int,
        store: PartitionStore,
        fence: Fence,
        rows: Mapping[bytes, bytes | None],
        records: Sequence[Row],
        outbox: Outbox,
    ) -> None:
        def settle(last_offset: int) -> None:
            store.settle(rows, fence.acknowledge(last_offset, len(records)))

        await outbox.ship(self.changelog_topic.get_topic_name(), partition, records, on_last=settle)

    def restore(self, tp: TP, records: Iterable[Row], offset: int) -> None:
        """Take changelog records into the store."""
        store: PartitionStore = self.data.partition(tp.partition)
        store.restore(self._layout.restored(records, store.get_many), offset)

    def structs_of(self, partition: int) -> Iterator[tuple[bytes, V]]:
        """All rows of a partition, decoded."""
        return ((key, self._layout.decode(row)) for key, row in self.data.partition(partition).items())

    def structs(self) -> Iterator[tuple[bytes, V]]:
        """All rows of the partitions that are open here, decoded."""
        return ((key, self._layout.decode(row)) for key, row in self.data.items())
