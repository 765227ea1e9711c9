"""Tables from their changelogs, a whole fetch at a time, while Faust's Recovery keeps the order of things.

Faust says which changelogs are read from where, and waits for the end; the records do not pass through it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import faust
from faust.types import TP

from streaming.chunk import Record
from streaming.internals import forget_recovery_end, signal_recovery_end
from streaming.metrics import ChunkMetrics

log = logging.getLogger(__name__)

_BAR_CELLS = 20
_PERIOD_S = 1.0


class Progress:
    """How far one recovery is: a bar in the log every second, and two metrics."""

    def __init__(self, metrics: ChunkMetrics, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock_s = clock_s
        self.begin(0)

    def begin(self, total: int) -> None:
        """Start with `total` records to read; compaction may have left fewer."""
        self._total = total
        self._restored = 0
        self._began_s = self._logged_s = self._clock_s()
        self._metrics.recovery_remaining.set(total)

    def advance(self, records: int, offsets: int) -> None:
        """Count `records` that were restored; they cover `offsets` offsets."""
        now_s = self._clock_s()
        self._restored += records
        self._metrics.recovery_restored.inc(records)
        self._metrics.recovery_remaining.dec(offsets)
        if now_s - self._logged_s >= _PERIOD_S:
            self._logged_s = now_s
            log.info("restoring tables %s", bar(self._restored, self._total))

    def end(self) -> None:
        """Log what was restored, if anything was."""
        self._metrics.recovery_remaining.set(0)
        if self._restored:
            elapsed_s = max(self._clock_s() - self._began_s, 1e-9)
            log.info(
                "tables restored records=%d elapsed_s=%.3f records_per_s=%.0f",
                self._restored,
                elapsed_s,
                self._restored / elapsed_s,
            )
        self._restored = 0


def bar(done: int, total: int) -> str:
    """A bar of a fixed width: [#####---------------] 25 % of 400,000."""
    share = min(done / total, 1.0) if total else 1.0
    cells = int(share * _BAR_CELLS)
    return f"[{'#' * cells}{'-' * (_BAR_CELLS - cells)}] {share:.0%} of {total:,}"


class TableRecovery:
    """Restores the tables of the partitions that a worker was given."""

    def __init__(
        self, app: faust.App, offset_of_next: Callable[[TP], int | None], metrics: ChunkMetrics
    ) -> None:
        self._app = app
        self._offset_of_next = offset_of_next
        self._progress = Progress(metrics)

    def begin(self, ends: Mapping[TP, int]) -> None:
        """Prepare to read the changelogs up to their end offsets."""
        recovery = self._app.tables.recovery
        changelogs = recovery.active_tps.intersection(ends)
        if not changelogs:
            return
        forget_recovery_end(recovery)
        for tp in changelogs:
            self._forget_another_changelog(tp, ends[tp])
        held = {tp: recovery.active_offsets.get(tp) for tp in changelogs}
        self._progress.begin(
            sum(ends[tp] - (0 if offset is None else offset + 1) for tp, offset in held.items())
        )

    def restore(self, tp: TP, records: Sequence[Record]) -> None:
        """Put changelog records into their table, all at once."""
        recovery = self._app.tables.recovery
        if tp not in recovery.active_tps:
            return
        seen = recovery.active_offsets.get(tp)
        seen = -1 if seen is None else seen
        if records[0].offset <= seen:
            records = [record for record in records if record.offset > seen]
        if records:
            last_offset = records[-1].offset
            recovery.tp_to_table[tp].restore(tp, [(r.key, r.value) for r in records], last_offset)
            recovery.active_offsets[tp] = last_offset
            self._progress.advance(len(records), last_offset - seen)

    def end_when_complete(self) -> None:
        """Compare positions, not offsets: compaction may have taken the last record of a changelog.

        To be called when everything that was read is applied.
        """
        recovery = self._app.tables.recovery
        if not recovery.in_recovery or recovery.active_highwaters.keys() != recovery.active_tps:
            return
        for tp, highwater in recovery.active_highwaters.items():
            at = self._offset_of_next(tp)
            if highwater is not None and at is not None and at > highwater:
                recovery.active_offsets[tp] = max(recovery.active_offsets.get(tp) or 0, highwater)
        if not recovery.need_recovery():
            self._progress.end()
            signal_recovery_end(recovery)

    def _forget_another_changelog(self, tp: TP, end: int) -> None:
        """Throw away state that is ahead of its changelog: that topic was deleted and made again."""
        recovery = self._app.tables.recovery
        offset = recovery.active_offsets.get(tp)
        if offset is not None and offset >= end:
            log.warning(
                "state of %s[%d] is ahead of its changelog and is rebuilt from it", tp.topic, tp.partition
            )
            recovery.tp_to_table[tp].data.forget(tp.partition)
            recovery.active_offsets[tp] = None
