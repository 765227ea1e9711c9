# ruff: noqa: SLF001 (private names stand here, and nowhere else)
"""Every private name of faust 0.15.3 and aiokafka 0.14.0 that streaming/ leans on.

Their versions are pinned for this reason; tests/unit/test_internals.py says which name a new version took.
"""

import asyncio
import time
from asyncio import Future
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import faust
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, ProducerClosed, for_code
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.protocol.commit import OffsetFetchRequest
from faust.stores.base import Store
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as faust_aiokafka
from faust.types import TP
from mode.utils.futures import maybe_async

from streaming.chunk import Record

_METADATA_WAIT_S = 5.0
_CLOSE_WAIT_S = 3.0
_MOST_WAITING_BATCHES = 8
_NO_HEADERS: list[tuple[str, bytes]] = []


class LoopConsumer(faust_aiokafka.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Faust's consumer "thread" in the event loop of the app, and with its fetch wait as a setting.

    With a thread of its own, each step of a fetch waits for the interpreter's lock while an agent works, and
    the agent for each of its steps: a tenth of the time, and half of the latency. Heartbeats need the loop
    now, which a chunk holds for tens of milliseconds.
    """

    fetch_wait_s = 0.01

    def __post_init__(self) -> None:
        """Faust's, and what is being asked of the aiokafka consumer."""
        super().__post_init__()
        self._calls: set[Future[Any]] = set()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = int(self.fetch_wait_s * 1000)
        return consumer

    async def on_start(self) -> None:
        """Start the aiokafka consumer."""
        await super().on_start()
        heed_group_errors(self._consumer._coordinator)
        bound_metadata_wait(self._consumer._client)
        bound_close(self._consumer._client)
        hand_out_whole_batches(self._consumer._fetcher)

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Await a method of the consumer. It goes on to its end where the caller is cancelled.

        Raises ConsumerStoppedError where the consumer is stopped before.
        """
        if self.should_stop:
            raise ConsumerStoppedError
        call = asyncio.ensure_future(maybe_async(fun(*args, **kwargs)))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            if call.cancelled():
                raise ConsumerStoppedError from None
            raise

    async def on_thread_stop(self) -> None:
        """Give up what is still asked of the consumer, and stop it."""
        for call in tuple(self._calls):
            call.cancel()
        await super().on_thread_stop()

    async def _gather_remaining_tasks(self) -> None:
        """Leave the tasks alone that a thread's loop would have to itself."""


class _LoopWorker:
    """What ServiceThread takes for its thread: a task of the app's loop."""

    def __init__(self, service: LoopConsumer) -> None:
        self.service = service

    def start(self) -> None:
        """Serve until stopped; a crash is reported by `_serve` itself."""
        serving = asyncio.ensure_future(self.service._serve())
        serving.add_done_callback(lambda task: task.cancelled() or task.exception())

    def stop(self) -> None:
        """Nothing to join: ServiceThread.stop waited for the end."""


def hand_out_whole_batches(fetcher: Fetcher) -> None:
    """Let a consumer return the records of a batch as aiokafka's Cython parser makes them.

    aiokafka copies each into a ConsumerRecord, by one generator step a record: a fifth of a worker's time.
    """
    process = fetcher._proc_fetch_request

    async def processed(*args: Any) -> Any:
        outcome = await process(*args)
        for result in fetcher._records.values():
            if isinstance(result, FetchResult):
                result.getall = partial(_whole_batches, result)
        return outcome

    fetcher._proc_fetch_request = processed


def _whole_batches(result: FetchResult, _max_records: int | None = None) -> list[Record]:
    """All records of a partition that a fetch brought: FetchResult.getall for read_uncommitted."""
    tp = result._topic_partition
    if not result.check_assignment(tp) or not result.has_more():
        return []
    fetched = result._partition_records
    records: list[Record] = []
    while fetched._records.has_next():
        batch = fetched._records.next_batch()
        if not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {tp}")
        if not batch.is_control_batch:
            whole = list(batch)
            first = fetched.next_fetch_offset  # the broker sends the whole batch that it lies in
            behind = not whole or whole[0].offset >= first
            records += whole if behind else [record for record in whole if record.offset >= first]
        fetched.next_fetch_offset = batch.next_offset
    result._update_position()
    result._partition_records = None
    return records


def heed_group_errors(coordinator: Any) -> None:
    """Let a failed look-up of committed offsets fail, so that aiokafka tries again.

    It reads the errors of partitions only. A broker that is still loading the group says so for the whole
    answer, which then has no partitions: "nothing is committed", and reading would start from the beginning.
    """
    send = coordinator._send_req

    async def checked(request: Any) -> Any:
        response = await send(request)
        error_code = getattr(response, "error_code", 0)
        if isinstance(request, OffsetFetchRequest) and error_code:
            coordinator.coordinator_dead()  # looked up again before the next try
            raise for_code(error_code)
        return response

    coordinator._send_req = checked


def bound_metadata_wait(client: Any) -> None:
    """Let nobody wait for ever for new metadata.

    Seen once after a broker's kill -9: the look-up of the group's coordinator waited for metadata that never
    came, and with it every commit. Whoever waits goes on after a while with the metadata that there is, and
    asks again.
    """
    update = client.force_metadata_update

    async def wait(updated: Any) -> bool:
        return bool(await _result_within(updated, _METADATA_WAIT_S))

    def bounded() -> Any:
        return asyncio.ensure_future(wait(update()))

    client.force_metadata_update = bounded


def bound_close(client: Any) -> None:
    """Let no connection hold up a stop: a TLS peer that does not say good-bye is waited for for 30 s."""
    close = client.close

    async def bounded() -> None:
        await _result_within(close(), _CLOSE_WAIT_S)

    client.close = bounded


async def _result_within(awaitable: Awaitable[Any], timeout_s: float) -> Any:
    """Return its result, or None after a while. It goes on meanwhile."""
    future = asyncio.ensure_future(awaitable)
    done, _ = await asyncio.wait({future}, timeout=timeout_s)
    return future.result() if done else None


async def abandon_producer(producer: AIOKafkaProducer) -> None:
    """Close a producer without waiting for its broker, as its own stop() would, for ever if need be.

    Every future that it has given out ends, those of what is not acknowledged with ProducerClosed.
    """
    producer._closed = True
    sender, accumulator = producer._sender.sender_task, producer._message_accumulator
    accumulator._closed = True
    await _result_within(producer.client.close(), _CLOSE_WAIT_S)
    while sender is not None and not sender.done():  # each cancellation ends one of the requests it waits for
        sender.cancel()
        await asyncio.wait({sender}, timeout=_CLOSE_WAIT_S)
    left = [*accumulator._pending_batches, *chain.from_iterable(accumulator._batches.values())]
    accumulator.fail_all(ProducerClosed())
    for future in chain.from_iterable((batch.future, batch._drain_waiter) for batch in left):
        if not future.cancelled():
            future.exception()  # or Python would complain that nobody has asked


class OpenConsumer(faust_aiokafka.Consumer):  # type: ignore[misc]
    """Faust's consumer with its private parts under names of our own.

    A subclass gives it `drain`, `offsets_to_commit` and `on_committed`.
    """

    def __init__(self, *args: Any, fetch_wait_s: float, **kwargs: Any) -> None:
        self._fetch_wait_s = fetch_wait_s
        super().__init__(*args, **kwargs)

    # -- for a subclass to override -------------------------------------------------------------------

    async def drain(self, is_stopping: Callable[[], bool]) -> None:
        """Read and hand out until `is_stopping()`."""
        raise NotImplementedError

    def offsets_to_commit(self, acked: dict[TP, int]) -> dict[TP, int]:
        """What a commit commits; `acked` is what Faust itself would."""
        raise NotImplementedError

    def on_committed(self, offsets: Mapping[TP, int]) -> None:
        """Hear of a commit that succeeded."""
        raise NotImplementedError

    # -- for a subclass to call -----------------------------------------------------------------------

    def active_partitions(self) -> set[TP]:
        """The partitions that are assigned and not paused."""
        return set(self._get_active_partitions())

    async def fetch(self, tps: set[TP], timeout_s: float) -> Mapping[TP, list[Record]]:
        """Records of `tps`, as soon as there are any; none after `timeout_s`."""
        return await self._getmany(tps, timeout_s)  # type: ignore[no-any-return]

    def offset_of_next(self, tp: TP) -> int | None:
        """Offset of the next record that will be fetched; None while it is not known. Does not wait."""
        assignment = self._thread._consumer._subscription.subscription.assignment
        state = assignment.state_value(TopicPartition(*tp)) if assignment else None
        return state.position if state is not None and state.has_valid_position else None

    def assigned(self) -> set[TP]:
        """The partitions that are assigned; none before the consumer has started."""
        consumer = self._thread._consumer
        return {TP(*tp) for tp in consumer.assignment()} if consumer is not None else set()

    def known_end(self, tp: TP) -> int | None:
        """The end of a partition as the last fetch from it has told it. Does not wait."""
        return self._thread._consumer.highwater(TopicPartition(*tp))  # type: ignore[no-any-return]

    def is_caught_up(self, tp: TP) -> bool:
        """Whether all that the broker has told us of was fetched. Does not wait."""
        end, at = self.known_end(tp), self.offset_of_next(tp)
        return end is not None and at is not None and at >= end

    def committed_offset(self, tp: TP) -> int | None:
        """The offset that the group has committed; None where it has none."""
        return self._committed_offset[tp]  # type: ignore[no-any-return]

    async def commit_starts(self, offsets: Mapping[TP, int]) -> None:
        """Commit where reading starts."""
        if await self._commit(offsets):
            self._committed_offset.update(offsets)

    async def end_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """Offsets of the next records that somebody will write."""
        return await self._thread.highwaters(*tps)  # type: ignore[no-any-return]

    async def keys_between(self, tp: TP, start: int, end: int) -> set[bytes]:
        """Keys of the records of `tp` from offset `start` up to but not including `end`."""
        consumer = self._thread._create_client_consumer(self.transport)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(*tp)])
            consumer.seek(TopicPartition(*tp), start)
            keys: set[bytes] = set()
            while await consumer.position(TopicPartition(*tp)) < end:
                fetched = await consumer.getmany(timeout_ms=1000)
                keys.update(r.key for records in fetched.values() for r in records if r.offset < end)
            return keys
        finally:
            await consumer.stop()

    def is_changelog(self, tp: TP) -> bool:
        """Whether a table's changelog."""
        return bool(self._is_changelog_tp(tp))

    def note_handed_out(self, tp: TP, offset: int) -> None:
        """Tell Faust how far a partition was read that it acknowledges itself."""
        self._read_offset[tp] = offset

    # -- how Faust calls the former -------------------------------------------------------------------

    def _new_consumer_thread(self) -> LoopConsumer:
        thread = LoopConsumer(
            self, loop=self.loop, thread_loop=self.loop, Worker=_LoopWorker, beacon=self.beacon
        )
        thread.fetch_wait_s = self._fetch_wait_s
        return thread

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            await self.drain(lambda: bool(self._stopped.is_set() or fetcher._stopped.is_set()))
        except asyncio.CancelledError:
            # Faust would take it for a restart if a rebalance goes on, and crash for want of a supervisor.
            if not fetcher.should_stop:
                raise

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:
        return self.offsets_to_commit(super()._filter_committable_offsets(tps))

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 (Faust's signature)
        committed = bool(await super()._commit_offsets(offsets, start_new_transaction))
        if committed:
            self.on_committed(offsets)
        return committed


class OpenTable(faust.Table):  # type: ignore[misc]
    """Faust's table with a store of our own, whatever the URL."""

    def new_store(self, url: Any) -> Store:
        """Make the store; a subclass gives it."""
        raise NotImplementedError

    def _new_store_by_url(self, url: Any) -> Store:
        return self.new_store(url)


def producer_of(app: faust.App) -> AIOKafkaProducer:
    """The aiokafka producer that Faust started: its batches and send futures are not to be had otherwise."""
    return app.producer._producer


async def append_rows(
    producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[tuple[bytes, bytes | None]]
) -> list[tuple[Future[Any], int]]:
    """Append rows, in order, to the batches that wait for their partition's turn to be sent.

    Returns each batch's future, whose result has the offset of the batch's first record, and the place in the
    batch of our last row. It waits only where several batches wait already; aiokafka's own send_batch waits
    as long as one does (which let an agent stand still for a linger time and a round trip for each output of
    each chunk), and its send makes a future for each record.
    """
    await producer.partitions_for(topic)  # so that it knows where the partition's leader is
    accumulator, tp = producer._message_accumulator, TopicPartition(topic, partition)
    used: list[tuple[Future[Any], int]] = []
    while rows:
        batch = await _open_batch(accumulator, tp)
        count = _fill(batch._builder, rows)
        if count:
            used.append((batch.future, batch._builder.record_count() - 1))
        rows = rows[count:]
    return used


def _fill(builder: BatchBuilder, rows: Sequence[tuple[bytes, bytes | None]]) -> int:
    """Append rows until the batch is full; return how many it took.

    The builder's own append, which serializes and reads the clock for each, takes twice as long.
    """
    first, now_ms, append = builder.record_count(), int(time.time() * 1000), builder._builder.append
    count = 0
    for key, value in rows:
        if append(first + count, now_ms, key, value, _NO_HEADERS) is None:
            builder.close()
            break
        count += 1
    builder._relative_offset = first + count
    return count


async def _open_batch(accumulator: MessageAccumulator, tp: TopicPartition) -> MessageBatch:
    """The last waiting batch of a partition, or a new one where that is full or being tried again."""
    while True:
        if accumulator._closed:
            raise ProducerClosed
        if accumulator._exception is not None:
            raise accumulator._exception
        waiting = accumulator._batches.get(tp, ())
        if waiting and not waiting[-1]._builder.closed():
            return waiting[-1]
        if len(waiting) < _MOST_WAITING_BATCHES:
            return accumulator._append_batch(accumulator.create_builder(), tp)
        await waiting[0].wait_drain()


def signal_recovery_end(recovery: Recovery) -> None:
    """Tell Faust's recovery that every table is restored."""
    recovery.signal_recovery_end.set()


def forget_recovery_end(recovery: Recovery) -> None:
    """Take back the signal of an earlier recovery.

    Faust leaves it set for up to 5 s; a recovery that begins meanwhile would end before it has read anything.
    """
    recovery.signal_recovery_end.clear()
