"""What was decided so far: open transactions, and the closed ones of an hour."""

import time
from collections.abc import Iterable

import faust
import msgspec
from faust.types import TP

from detection.docket import Docket, device_of
from models.case import Case
from models.decision import Decision
from streaming.layout import Row, StructLayout
from streaming.stores import PartitionStore
from streaming.struct_table import StructTable

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
        self._dockets: dict[int, tuple[PartitionStore, Docket]] = {}

    def docket(self, partition: int) -> Docket:
        """Which cases of a partition are open; made of its rows when it has come to this worker."""
        store = self.data.partition(partition)
        known = self._dockets.get(partition)
        if known is None or known[0] is not store:
            known = self._dockets[partition] = store, self._docket_of_rows(partition)
        return known[1]

    def restore(self, tp: TP, records: Iterable[Row], offset: int) -> None:
        """Take changelog records into the store; the docket is made again."""
        super().restore(tp, records, offset)
        self._dockets.pop(tp.partition, None)

    def _docket_of_rows(self, partition: int) -> Docket:
        docket, now_s = Docket(), time.monotonic()
        for key, case in sorted(self.values_of(partition), key=lambda row: row[1].deadline_ms):
            if case.is_open:
                docket.open(key, device_of(key), case, _decision_of(case.decision_json), is_stale=True)
            else:
                docket.close(key, device_of(key), case.deadline_ms, now_s)
        return docket


def make_cases(app: faust.App, partitions: int) -> CaseTable:
    """The table of cases of an app."""
    return CaseTable(app, partitions)
