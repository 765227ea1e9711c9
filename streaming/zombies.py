"""What an owner does about rows that a zombie wrote to its changelogs: its own come last."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

import faust
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP

from streaming.internals import producer_of
from streaming.outbox import Outbox

log = logging.getLogger(__name__)


class Membership(Protocol):
    """What the guard needs of its consumer."""

    app: faust.App

    def is_settled(self, partition: int) -> bool:
        """Whether nothing that the partition's chunks wrote is unacknowledged."""

    async def is_owner(self, partition: int) -> bool:
        """Whether the group still counts the partition as ours."""

    async def end_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """Offsets of the next records that somebody will write."""

    async def keys_between(self, tp: TP, start: int, end: int) -> set[bytes]:
        """Keys of the records from `start` up to but not including `end`."""


class ZombieGuard:
    """Keeps the changelogs of the partitions that a worker owns equal to its tables.

    Guaranteed: rows that a zombie wrote are followed by the owner's within seconds, and before it hands the
    partition over in a planned rebalance. Not guaranteed: an owner that is killed in these seconds leaves the
    zombie's rows; a device then has an older fix until its next one.
    """

    def __init__(self, consumer: Membership, timeout_s: float) -> None:
        self._consumer = consumer
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()

    async def overwrite_foreign_rows(self) -> None:
        """Look, and write our rows once more where there are some of others."""
        async with self._lock:
            try:
                async with asyncio.timeout(self._timeout_s):
                    for tp, end in (await self._suspect_ends()).items():
                        if await self._consumer.is_owner(tp.partition):  # else the zombie is this worker
                            await self._overwrite(tp, end)
            except ConsumerStoppedError:
                log.debug("the consumer stopped during a look for rows of other workers")
            except Exception as error:  # noqa: BLE001 (a broker that is away now is asked again)
                log.warning("could not look for rows of other workers in the changelogs: %r", error)

    async def _suspect_ends(self) -> dict[TP, int]:
        """End offsets of the changelogs that hold more than we know of.

        An acknowledgement told, or the end of a log to which nothing of ours is on its way.
        """
        recovery = self._consumer.app.tables.recovery
        if recovery.in_recovery:
            return {}
        fences = {tp: recovery.tp_to_table[tp].data.fence(tp.partition) for tp in recovery.active_tps}
        fences = {tp: fence for tp, fence in fences.items() if fence.end is not None}
        if not fences:
            return {}
        quiet = {tp: fence.end for tp, fence in fences.items() if self._consumer.is_settled(tp.partition)}
        ends = await self._consumer.end_offsets(*fences)
        return {
            tp: ends[tp]
            for tp, fence in fences.items()
            if fence.is_broken or (tp in quiet and quiet[tp] == fence.end != ends[tp])
        }

    async def _overwrite(self, tp: TP, end: int) -> None:
        table = self._consumer.app.tables.recovery.tp_to_table[tp]
        fence = table.data.fence(tp.partition)
        offsets, done = fence.begin_overwriting(end), False
        try:
            keys = await self._consumer.keys_between(tp, offsets.start, offsets.stop)
            outbox = Outbox(producer_of(self._consumer.app))
            await table.overwrite(tp.partition, keys, outbox)
            await asyncio.gather(*outbox.sends)
            done = True
        finally:
            fence.end_overwriting(done=done)
        log.warning(
            "%s[%d]: another worker wrote after offset %d; our rows of its %d keys were written again",
            tp.topic,
            tp.partition,
            offsets.start - 1,
            len(keys),
        )
