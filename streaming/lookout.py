"""Where a consumer stands, for metrics and health checks: asked when somebody looks."""

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import faust
from faust.types import TP

from streaming.chunk import Chunk, Ledger
from streaming.health import Vitals
from streaming.merge import PartitionGroup
from streaming.metrics import ChunkMetrics, Position
from streaming.struct_table import PartitionedStore

log = logging.getLogger(__name__)


class Watched(Protocol):
    """What the lookout needs of its consumer."""

    app: faust.App

    def input_partitions(self) -> set[TP]:
        """The partitions of the inputs that are assigned."""

    def known_end(self, tp: TP) -> int | None:
        """The end of a partition as fetches have told it."""

    def is_caught_up(self, tp: TP) -> bool:
        """Whether all that the broker has told us of was fetched."""

    def committed_offset(self, tp: TP) -> int | None:
        """The offset that the group has committed."""

    async def end_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """Ask the broker."""


class Lookout:
    """Watches a consumer with its groups and ledgers."""

    def __init__(
        self,
        consumer: Watched,
        groups: Mapping[int, PartitionGroup],
        ledgers: Mapping[int, Ledger],
        metrics: ChunkMetrics,
    ) -> None:
        self._consumer, self._groups, self._ledgers, self._metrics = consumer, groups, ledgers, metrics
        self._ends: Mapping[TP, int] = {}
        self._stream_ms: dict[int, int] = {}
        self._polling_since_s: float | None = None
        self._asked_at_s: float | None = None
        metrics.watch(self.positions, self.table_rows)

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Note how long a poll takes."""
        self._polling_since_s = time.monotonic()
        try:
            yield
        finally:
            self._polling_since_s = None

    def hand_out(self, partition: int, record_ms: int) -> None:
        """Take note of the latest record of a chunk."""
        self._stream_ms[partition] = max(record_ms, self._stream_ms.get(partition, 0))

    def acknowledge(self, chunk: Chunk) -> None:
        """Take note of a chunk that is done; those without events are none."""
        if chunk.ends and chunk.began_s is not None:
            self._metrics.chunk_seconds.observe(time.monotonic() - chunk.began_s)

    async def ask_broker(self, timeout_s: float) -> None:
        """Ask where the inputs end.

        Fetches tell it only while there is room, and not whether anybody answers.
        """
        tps = () if self._consumer.app.rebalancing else self._consumer.input_partitions()
        if not tps:
            self._asked_at_s = None
            return
        if self._asked_at_s is None:
            self._asked_at_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                self._ends = await self._consumer.end_offsets(*tps)
        except Exception as error:  # noqa: BLE001 (it is asked again)
            log.debug("the broker does not say where the inputs end: %r", error)
        else:
            self._asked_at_s = None

    def vitals(self) -> Vitals:
        """Signs of life."""
        app, now_s = self._consumer.app, time.monotonic()

        def longest_s(*since_s: float | None) -> float | None:
            oldest_s = min((each_s for each_s in since_s if each_s is not None), default=None)
            return None if oldest_s is None else now_s - oldest_s

        unbegun = [ledger.oldest(started=False) for ledger in self._ledgers.values()]
        begun = [ledger.oldest(started=True) for ledger in self._ledgers.values()]
        return Vitals(
            partitions=len(self._consumer.input_partitions()),
            has_joined=bool(app.rebalancing_count) and not app.rebalancing,
            is_restoring=app.tables.recovery.in_recovery,
            polling_s=longest_s(self._polling_since_s),
            unanswered_s=longest_s(self._asked_at_s),
            unbegun_s=longest_s(*(chunk.made_s for chunk in unbegun if chunk)),
            unacknowledged_s=longest_s(*(chunk.began_s for chunk in begun if chunk)),
        )

    def positions(self) -> Iterator[Position]:
        """How far the inputs are read."""
        now_ms = time.time() * 1000
        for tp in sorted(self._consumer.input_partitions()):
            stream_ms = self._stream_ms.get(tp.partition)
            lag_records = self._lag_records(tp)
            yield Position(
                tp=tp,
                lag_records=lag_records,
                lag_s=self._lag_s(tp, now_ms) if lag_records else lag_records,
                watermark_delay_s=None if stream_ms is None else (now_ms - stream_ms) / 1000,
            )

    def table_rows(self) -> dict[tuple[str, int], float]:
        """Rows by table and partition."""
        return {
            (name, partition): store.row_count()
            for name, table in self._consumer.app.tables.items()
            if isinstance(table.data, PartitionedStore)
            for partition, store in table.data.partitions.items()
        }

    def _lag_records(self, tp: TP) -> int | None:
        ends = [end for end in (self._consumer.known_end(tp), self._ends.get(tp)) if end is not None]
        committed = self._consumer.committed_offset(tp)
        return None if committed is None or not ends else max(max(ends) - committed, 0)

    def _lag_s(self, tp: TP, now_ms: float) -> float | None:
        oldest_ms = self._oldest_ms(tp.partition)
        if oldest_ms is None:
            return 0.0 if self._consumer.is_caught_up(tp) else None
        return max(now_ms - oldest_ms, 0.0) / 1000

    def _oldest_ms(self, partition: int) -> int | None:
        """Record timestamp of the oldest record of a partition that is here and not acknowledged."""
        ledger, group = self._ledgers.get(partition, Ledger()), self._groups.get(partition)
        chunks = (ledger.oldest(started=True), ledger.oldest(started=False))
        found = [chunk.first_ms for chunk in chunks if chunk] + [group.oldest_ms if group else None]
        return min((each for each in found if each is not None), default=None)
