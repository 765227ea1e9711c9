"""What was decided so far: open transactions, and the closed ones of an hour."""

import time
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import faust
import msgspec
from faust.types import TP

from detection.docket import Docket, device_of
from models.case import Case
from models.decision import Decision
from streaming.layout import Row, StructLayout
from streaming.stores import PartitionStore
from streaming.struct_table import StructTable


class _Head(msgspec.Struct, array_like=True, gc=False):
    """The first fields of a Case."""

    is_open: bool
    record_ms: int
    deadline_ms: int


_head_of = msgspec.msgpack.Decoder(_Head).decode
_case_of = msgspec.msgpack.Decoder(Case).decode
_decision_of = msgspec.json.Decoder(Decision).decode


class CaseTable(StructTable[Case]):
    """Key: length of the device id (2 bytes), device id, transaction id (UTF-8). Value: a Case.

    Changelog {app id}-cases-changelog: compacted, co-partitioned with transaction_data. A row goes when its
    deadline has passed by `repeat_window_s`.
    """

    def __init__(self, app: faust.App, partitions: int) -> None:
        super().__init__(
            app,
            name="cases",
            layout=StructLayout(Case),
            partitions=partitions,
            help="device id, transaction id -> Case",
        )
        self._dockets: WeakKeyDictionary[PartitionStore, Docket] = WeakKeyDictionary()

    def docket(self, partition: int) -> Docket:
        """Which cases of a partition are open; made of its rows when it has come to this worker."""
        store: PartitionStore = self.data.partition(partition)
        docket = self._dockets.get(store)
        if docket is None:
            docket = self._dockets[store] = docket_of(store.items())
        return docket

    def open_counts(self) -> dict[int, int]:
        """How many cases are open, by partition; of those whose docket was made."""
        dockets = ((number, self._dockets.get(store)) for number, store in self.data.partitions.items())
        return {number: len(docket) for number, docket in dockets if docket is not None}

    def restore(self, tp: TP, records: Iterable[Row], offset: int) -> None:
        """Take changelog records into the store; the docket is made again."""
        super().restore(tp, records, offset)
        self._dockets.pop(self.data.partition(tp.partition), None)


def docket_of(rows: Iterable[tuple[bytes, bytes]]) -> Docket:
    """The docket of a partition's rows. Of the closed cases, which are many, only times are read."""
    docket, now_s = Docket(), time.monotonic()
    closed: list[tuple[int, bytes]] = []
    for key, row in rows:
        head = _head_of(row)
        docket.time.observe(device_of(key), head.record_ms)
        if head.is_open:
            case = _case_of(row)
            decision = _decision_of(case.decision_json)
            docket.open(key, device_of(key), case, decision, now_s=now_s, is_stale=True)
        else:
            closed.append((head.deadline_ms, key))
    for deadline_ms, key in sorted(closed):
        docket.close(key, device_of(key), deadline_ms, now_s)
    return docket
