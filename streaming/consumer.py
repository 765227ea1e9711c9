"""A Faust consumer that hands out chunks and commits only what the broker has acknowledged.

Faust's App, agents, assignor, table manager, commit timer and web stay as they are; the way of a record
from the fetch to the agent and from the acknowledgement to the commit is ours. docs/engine.md has the
picture, and what stock Faust loses.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from faust.transport.drivers import aiokafka as faust_aiokafka
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service

from streaming import internals
from streaming.chunk import Chunk, Ledger, Ranked, Record
from streaming.decoding import JsonDecoder, decode_events
from streaming.errors import FatalError, OutputLostError
from streaming.health import Vitals
from streaming.lookout import Lookout
from streaming.merge import PartitionGroup
from streaming.metrics import ChunkMetrics
from streaming.recovery import TableRecovery
from streaming.zombies import ZombieGuard

log = logging.getLogger(__name__)

_POLL_S = 1.0
_POLL_WHILE_IDLING_S = 0.02
_SETTLE_CHECK_S = 0.01
_LOOK_S = 5.0  # as often the broker is asked where the inputs end


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOptions:
    """How chunks are read. `inputs`: co-partitioned topics; their order breaks ties of the timestamp."""

    inputs: Mapping[str, JsonDecoder[Any]]
    metrics: ChunkMetrics
    chunk_max_records: int = 1000
    buffer_max_records: int = 6000
    max_idle_s: float = 0.0
    fetch_wait_s: float = 0.01
    settle_timeout_s: float = 5.0
    zombie_check_s: float = 5.0
    punctuate_s: float = 0.0
    """A silent partition hands out a chunk without events as often; 0: never."""
    may_repeat: bool = False
    """Begun chunks that are not acknowledged at a rebalance are left to the next owner, instead of ending the
    worker. For work that may be done again at any time, also by two workers at once: it has no tables."""


class ChunkConsumer(internals.OpenConsumer):
    """Reads the inputs of each partition together, in time order, and acknowledges by chunk.

    Guaranteed: an offset is committed only after everything that follows from it was acknowledged; a
    planned rebalance or stop repeats nothing. After a crash, up to a commit interval of input is repeated.
    """

    def __init__(self, *args: Any, options: ChunkOptions, **kwargs: Any) -> None:
        self._options = options
        self._topics = tuple(options.inputs)
        self._decoders = tuple(options.inputs.values())
        self._groups: dict[int, PartitionGroup] = {}
        self._ledgers: dict[int, Ledger] = {}
        self._committable: dict[TP, int] = {}
        self._heard_s: dict[int, float] = {}  # of a partition: when it brought something last
        self._next_punctuation_s = 0.0
        self._epoch = 0  # rises whenever the buffers are dropped: what was read before is void
        self._lost: FatalError | None = None
        super().__init__(*args, fetch_wait_s=options.fetch_wait_s, **kwargs)
        self._recovery = TableRecovery(self.app, self.offset_of_next, options.metrics)
        self._lookout = Lookout(self, self._groups, self._ledgers, options.metrics)
        self._zombie_guard = ZombieGuard(self, options.settle_timeout_s)

    # -- acknowledgement and commit -------------------------------------------------------------------

    def offsets_to_commit(self, acked: dict[TP, int]) -> dict[TP, int]:
        """What is acknowledged: kept until a commit of it succeeded, so that none can be forgotten."""
        if self._lost is not None:
            return {}
        for ledger in self._ledgers.values():
            self._committable |= ledger.close()
        return {**acked, **self._committable}

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Strike out what is committed, unless more was acknowledged meanwhile."""
        for tp, offset in offsets.items():
            if self._committable.get(tp) == offset:
                del self._committable[tp]

    def _on_output_lost(self, error: FatalError) -> None:
        if self._lost is None:
            self._lost = error
            log.critical("stopping, nothing more is committed: %s", error)
            asyncio.ensure_future(self.app.crash(error))  # noqa: RUF006 (the app keeps it)

    # -- rebalance ------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what was begun, then forget all that was read ahead."""
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()  # chunks that no agent has begun
        await self._settle()
        self._drop_buffers()
        await super().on_partitions_revoked(revoked)

    async def wait_empty(self) -> None:
        """Settle and commit; Faust calls this at a rebalance and at the end."""
        await self._settle()
        await self.commit_and_end_transactions()

    async def _settle(self) -> None:
        """Wait until every chunk that was begun is acknowledged, commit, and leave true changelogs."""
        deadline_s = time.monotonic() + self._options.settle_timeout_s
        while not all(map(self.is_settled, self._ledgers)):
            if self._lost is not None:
                return
            if time.monotonic() > deadline_s:
                if self._options.may_repeat:
                    log.warning("work that was begun is left to the next owner of its partition")
                    break
                self._on_output_lost(
                    OutputLostError(
                        f"outputs were not acknowledged within {self._options.settle_timeout_s} s"
                        " of a rebalance; the partition's next owner repeats them"
                    )
                )
                return
            for ledger in self._ledgers.values():
                ledger.hurry()
            await asyncio.sleep(_SETTLE_CHECK_S)
        if self._ledgers:
            await self.maybe_wait_for_commit_to_finish()
            await self.force_commit()
        await self._zombie_guard.overwrite_foreign_rows()  # the next owner takes the changelog for the truth

    def _drop_buffers(self) -> None:
        self._groups.clear()
        self._ledgers.clear()
        self._committable.clear()
        self._heard_s.clear()
        self._epoch += 1

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; commit a start where there is none.

        Without a committed start, stock Faust does not move such a partition back at the next rebalance,
        and what had been fetched and dropped by then is lost.
        """
        self._drop_buffers()
        await super().perform_seek()
        fresh = [
            tp for tp in self.assignment() if tp.topic in self._topics and self.committed_offset(tp) is None
        ]
        if not fresh:
            return
        if self.app.conf.consumer_auto_offset_reset == "earliest":
            starts = await self.earliest_offsets(*fresh)
            await self.seek_wait(starts)
        else:
            starts = {tp: await self.position(tp) for tp in fresh}
        # Of "earliest" not the position: a read from before the rebalance may still end, move it on, and be
        # dropped. Committed, that position would lose what was read.
        await self.commit_starts(starts)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """End offsets. Recovery asks for those of its changelogs first of all."""
        ends: Mapping[TP, int] = await super().highwaters(*partitions)
        self._recovery.begin(ends)
        return ends

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_for_zombies(self) -> None:
        while not self.should_stop:
            await self.sleep(self._options.zombie_check_s)
            if not self.app.rebalancing:
                await self._zombie_guard.overwrite_foreign_rows()

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_out(self) -> None:
        while not self.should_stop:
            await self.sleep(_LOOK_S)
            await self._lookout.ask_broker(self._options.settle_timeout_s)

    def vitals(self) -> Vitals:
        """Signs of life, for health checks."""
        return self._lookout.vitals()

    def input_partitions(self) -> set[TP]:
        """The partitions of the inputs that are assigned."""
        return {tp for tp in self.assigned() if tp.topic in self._topics}

    def is_settled(self, partition: int) -> bool:
        """Whether every chunk of that partition that an agent has begun is acknowledged."""
        return partition not in self._ledgers or self._ledgers[partition].settled()

    async def is_owner(self, partition: int) -> bool:
        """Whether the group takes our commits of that partition: those of a zombie it refuses."""
        tp = TP(self._topics[0], partition)
        committed = self.committed_offset(tp)
        if committed is None:
            return False
        await self.maybe_wait_for_commit_to_finish()
        self._committable.setdefault(tp, committed)
        return await self.force_commit()  # type: ignore[no-any-return]

    # -- reading --------------------------------------------------------------------------------------

    async def drain(self, is_stopping: Callable[[], bool]) -> None:
        """Read until stopped: inputs into chunks, changelogs into tables, all else Faust's way."""
        try:
            while not is_stopping():
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    continue
                epoch = self._epoch
                with self._lookout.polling():
                    records = await self._read()
                if is_stopping():
                    return
                if epoch != self._epoch or not self.flow_active:
                    await self._read_again(records)
                    continue
                for tp, batch in records.items():
                    await self._route(TP(*tp), batch)
                self._recovery.end_when_complete()
                await self._hand_out(epoch)
                await self._punctuate()
                await asyncio.sleep(0)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _read(self) -> Mapping[TP, list[Record]]:
        """Fetch from every partition that may be read now and whose buffer has room."""
        tps = {tp for tp in self.active_partitions() if not self._is_full(tp)}
        if self.app.rebalancing:  # until inputs stand at their committed offsets again
            tps = {tp for tp in tps if self.is_changelog(tp)}
        if not tps:
            await asyncio.sleep(_POLL_WHILE_IDLING_S)
            return {}
        idling = any(group.waits_for_idle for group in self._groups.values())
        return await self.fetch(tps, _POLL_WHILE_IDLING_S if idling else _POLL_S)

    def _is_full(self, tp: TP) -> bool:
        group = self._groups.get(tp.partition)
        if group is None or tp.topic not in self._topics:
            return False
        return group.buffered(self._topics.index(tp.topic)) >= self._options.buffer_max_records

    async def _read_again(self, records: Mapping[TP, Sequence[Record]]) -> None:
        """Move back over records that were read across a rebalance: they belong to nobody."""
        if not records:
            return
        applied = self.app.tables.recovery.active_offsets
        assigned = self.assignment()
        changelogs = {TP(*tp) for tp in records if self.is_changelog(TP(*tp)) and TP(*tp) in assigned}
        try:
            if changelogs:
                await self.seek_wait({tp: _behind(applied.get(tp)) for tp in changelogs})
            if len(changelogs) < len(records):
                await self.perform_seek()
        except Exception as error:  # noqa: BLE001 (a rebalance that goes on seeks again itself)
            log.warning("seek during a rebalance: %r", error)

    async def _route(self, tp: TP, records: list[Record]) -> None:
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        if tp.topic in self._topics:
            rank = self._topics.index(tp.topic)
            group = self._groups.setdefault(tp.partition, PartitionGroup(len(self._topics)))
            group.push(rank, records)
            self._heard_s[tp.partition] = time.monotonic()
        elif self.is_changelog(tp):
            self._recovery.restore(tp, records)
        else:  # Faust's own topics, such as the leader's
            for record in records:
                await self.wait_first(
                    self.callback(self._message(tp, record, record.key, record.value)),
                    self.suspend_flow.wait(),
                )
                self.note_handed_out(tp, record.offset)

    async def _hand_out(self, epoch: int) -> None:
        """Give agents every chunk that is ready, waiting where they are busy, until the flow is stopped."""
        if any(group.is_waiting for group in self._groups.values()):
            await self.wait_first(self._deliver_chunks(epoch), self.suspend_flow.wait())

    async def _deliver_chunks(self, epoch: int) -> None:
        for partition, group in list(self._groups.items()):
            for records in group.take(
                self._options.chunk_max_records,
                caught_up=self._caught_up(partition),
                now_s=time.monotonic(),
                max_idle_s=self._options.max_idle_s,
            ):
                await self.callback(self._chunk_message(partition, records))
                if epoch != self._epoch or not self.flow_active:
                    return

    async def _punctuate(self) -> None:
        """Hand out a chunk without events of each partition that is silent, though the broker is not."""
        now_s, period_s = time.monotonic(), self._options.punctuate_s
        if not period_s or now_s < self._next_punctuation_s or self.app.tables.recovery.in_recovery:
            return
        self._next_punctuation_s = now_s + period_s
        for partition, silent_s in (await self._silences(now_s)).items():
            message = self._punctuation(partition, silent_s)
            await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def _silences(self, now_s: float) -> dict[int, float]:
        """For how long partitions that are read to their ends have brought nothing."""
        inputs = [tp for tp in self.active_partitions() if tp.topic in self._topics]
        heard_s = {tp.partition: self._heard_s.setdefault(tp.partition, now_s) for tp in inputs}
        silent = {p for p, at_s in heard_s.items() if now_s - at_s >= self._options.punctuate_s}
        if not silent:
            return {}
        asked = [tp for tp in inputs if tp.partition in silent]
        try:
            async with asyncio.timeout(self._options.settle_timeout_s):
                ends = await self.end_offsets(*asked)
        except Exception as error:  # noqa: BLE001 (a broker that is away is no silence)
            log.debug("could not ask for the ends of silent partitions: %r", error)
            self._heard_s.clear()
            return {}
        unread = {tp.partition for tp in asked if (self.offset_of_next(tp) or 0) < ends[tp]}
        return {p: now_s - heard_s[p] for p in silent - unread}

    def _caught_up(self, partition: int) -> Callable[[int], bool]:
        return lambda rank: self.is_caught_up(TP(self._topics[rank], partition))

    def _chunk_message(self, partition: int, records: list[Ranked]) -> ConsumerMessage:
        """Wrap a chunk as the message that Faust's conductor takes to the agent's stream."""
        tps = [TP(topic, partition) for topic in self._topics]
        ends = {tps[rank]: record.offset + 1 for rank, record in dict(records).items()}  # of each, the last
        decode = partial(decode_events, records, tps, self._decoders)
        last_rank, last_record = records[-1]
        chunk = Chunk(
            partition,
            decode,
            ends,
            self._on_output_lost,
            first_ms=records[0][1].timestamp,
            on_acknowledged=self._lookout.acknowledge,
        )
        self._lookout.hand_out(partition, last_record.timestamp)
        self._ledgers.setdefault(partition, Ledger()).enter(chunk)
        now_s = time.monotonic()
        self.app.monitor.stream_inbound_time.update(dict.fromkeys(ends, now_s))
        return self._message(tps[last_rank], last_record, None, chunk)

    def _punctuation(self, partition: int, silent_s: float) -> ConsumerMessage:
        """Wrap a chunk without events. Nothing of it is to be committed."""
        chunk = Chunk(partition, tuple, {}, self._on_output_lost, silent_s=silent_s)
        self._ledgers.setdefault(partition, Ledger()).enter(chunk)
        tp = TP(self._topics[0], partition)
        now = _Now(self.offset_of_next(tp) or 0, int(time.time() * 1000))
        return self._message(tp, now, None, chunk)

    def _message(self, tp: TP, record: Record, key: bytes | None, value: Any) -> ConsumerMessage:
        """Wrap `value` as Faust's conductor takes it."""
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp / 1000,
            record.timestamp_type,
            record.headers,
            key,
            value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )


@dataclass(frozen=True, slots=True)
class _Now:
    """What stands where a message's record would: the place and the moment of a punctuation."""

    offset: int
    timestamp: int
    timestamp_type: int = 0
    key: None = None
    value: None = None
    headers: tuple[()] = ()


def _behind(offset: int | None) -> int:
    return 0 if offset is None else offset + 1


class ChunkTransport(faust_aiokafka.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with the consumer above."""

    def __init__(self, *args: Any, options: ChunkOptions, **kwargs: Any) -> None:
        self._options = options
        super().__init__(*args, **kwargs)

    def create_consumer(self, callback: Any, **kwargs: Any) -> ChunkConsumer:
        """Make the consumer of an App."""
        return ChunkConsumer(self, callback=callback, loop=self.loop, options=self._options, **kwargs)
