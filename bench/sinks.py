"""How fast rows get into a store through its sink, beside a program that only writes, by the same driver."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from aiokafka.structs import ConsumerRecord
from faust.types import TP
from prometheus_client import CollectorRegistry
from pymongo import ReplaceOne

from bench.contest import Contestant, Options, take_turns
from bench.local_stores import elasticsearch, influxdb, liveanalytics, parquet
from bench.meter import cpu_s
from bench.report import Section, ratio, spread
from bench.store_bench import BATCH_ROWS, StoreBench, batches
from models.anonymized_transaction import AnonymizedTransaction
from sinks.base import Row, Sink
from sinks.delivery import Delivery, DeliveryOptions, Refused
from sinks.metrics import SinkMetrics
from sinks.mongodb import MongoOptions, MongoSink, document_of
from sinks.mongodb_driver import connect, disconnect
from streaming.chunk import Event
from streaming.decoding import JsonDecoder
from streaming.garbage import collect_less_often
from tests.messages import record
from tests.rows import records, rows
from tests.services.mongodb import MongoServer

_SINK, _CLIENT = "sink", "plain client"
_WORK = (
    "The sink starts from Kafka's records: it decodes JSON, batches, makes requests, and acknowledges. The"
    " plain client's requests are made before its clock starts, but for Parquet. Event loop and garbage"
    " collector are for both as in a worker. The last column is the CPU of the store's own process."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one contestant did."""

    rows: int
    elapsed_s: float
    cpu_s: float
    store_cpu_s: float

    @property
    def rows_per_s(self) -> float:
        """By the clock on the wall."""
        return self.rows / self.elapsed_s

    @property
    def cpu_us_per_row(self) -> float:
        """Of this process, all of its threads; not of the store."""
        return self.cpu_s / self.rows * 1e6

    @property
    def store_cpu_us_per_row(self) -> float:
        """Of the store; what it does later is not in it."""
        return self.store_cpu_s / self.rows * 1e6

    @property
    def all_cpu_s(self) -> float:
        """Of both processes: what the clock would show on one core that nobody else uses."""
        return self.cpu_s + self.store_cpu_s

    def __str__(self) -> str:
        return (
            f"{self.rows_per_s:,.0f} rows/s, {self.cpu_us_per_row:.1f} µs CPU each"
            f" and {self.store_cpu_us_per_row:.1f} µs of the store"
        )


def measure(options: Options) -> Section:
    """Run the benchmark, with a tenth as many rows as there are events."""
    count = options.events // 10
    with ExitStack() as running:
        stores = [running.enter_context(start()) for start in _STORES]
        contestants = [
            Contestant(name=f"{store.name}: {who}", run=partial(run, store, count))
            for store in stores
            for who, run in ((_CLIENT, _run_client), (_SINK, _run_sink))
        ]
        collect_less_often()
        outcomes = take_turns(contestants, options, warm_up=True)
    return Section(
        name="sinks",
        command=f"python -m bench sinks --events {options.events} --runs {options.runs}",
        head=("contestant", "rows/s", "CPU µs/row", "CPU of the store"),
        rows=[
            [
                name,
                spread([each.rows_per_s for each in runs]),
                spread([each.cpu_us_per_row for each in runs], "{:.1f}"),
                spread([each.store_cpu_us_per_row for each in runs], "{:.1f}"),
            ]
            for name, runs in outcomes.items()
        ],
        remarks=[
            f"{count:,} rows in batches of {BATCH_ROWS:,}. {_WORK}",
            *_ratios(outcomes),
            *(store.remark for store in stores),
        ],
    )


def _run_client(store: StoreBench, count: int) -> Run:
    async def run() -> Run:
        write = await store.client(rows(count))
        return await _timed(store, write, count)

    return _finished(run())


def _run_sink(store: StoreBench, count: int) -> Run:
    async def run() -> Run:
        sink = await store.sink()
        delivery = Delivery(sink, DeliveryOptions(), SinkMetrics(CollectorRegistry(), sink.name), _refuse)
        topic = "anonymized_transactions"
        chunks = batches([record(topic, key=key, value=value) for key, value in records(rows(count))])
        delivering = asyncio.create_task(delivery.run())
        await (await delivery.take(_events(chunks[0][:1])))  # connected
        run = await _timed(store, partial(_deliver, delivery, chunks), count)
        delivering.cancel()
        with suppress(asyncio.CancelledError):
            await delivering
        return run

    return _finished(run())


def _finished(run: Coroutine[Any, Any, Run]) -> Run:
    """What it returns, on the worker's event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run)


async def _deliver(delivery: Delivery, chunks: Sequence[Sequence[ConsumerRecord]]) -> None:
    for delivered in [await delivery.take(_events(chunk)) for chunk in chunks]:
        await delivered


async def _timed(store: StoreBench, work: Callable[[], Awaitable[None]], count: int) -> Run:
    start_store_cpu_s = cpu_s(store.pid) if store.pid else 0.0
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    await work()
    return Run(
        rows=count,
        elapsed_s=time.monotonic() - start_s,
        cpu_s=time.process_time() - start_cpu_s,
        store_cpu_s=cpu_s(store.pid) - start_store_cpu_s if store.pid else 0.0,
    )


def _events(chunk: Sequence[ConsumerRecord]) -> list[Event]:
    """What a worker's consumer makes of the records of a chunk."""
    decoded = JsonDecoder(AnonymizedTransaction).decode_many([each.value for each in chunk])
    tp = TP(chunk[0].topic, chunk[0].partition)
    return [(tp, each, row) for each, row in zip(chunk, decoded, strict=True)]


async def _refuse(refused: Sequence[Refused]) -> None:
    raise AssertionError(f"{len(refused)} rows were refused: {refused[0][1]}")


def _ratios(outcomes: dict[str, list[Run]]) -> Iterator[str]:
    for name, runs in outcomes.items():
        store, _, who = name.partition(": ")
        if who == _SINK and (floor := outcomes.get(f"{store}: {_CLIENT}")):
            speed = ratio([run.rows_per_s for run in runs], [run.rows_per_s for run in floor])
            cpu = ratio([run.all_cpu_s for run in floor], [run.all_cpu_s for run in runs])
            yield (
                f"{store}: the sink has {speed} of the plain client's speed by the clock, {cpu} by the CPU of"
                " client and store."
            )


class _MongoBench:
    """MongoDB's stand-in."""

    name = "mongodb"
    remark = (
        "MongoDB's stand-in here is SecantusDB 0.7.0b3, whose own limit is the speed of both; it runs on the"
        " same cores."
    )
    _DATABASE = "bench"

    def __init__(self, server: MongoServer) -> None:
        self._server = server
        self.pid = server.pid

    async def sink(self) -> Sink:
        with self._server.client() as client:
            client.drop_database(self._DATABASE)
        sink = MongoSink(
            MongoOptions(uri=self._server.uri(), database=self._DATABASE, ttl_days=0, timeout_s=60.0)
        )
        await sink.migrate()
        return sink

    async def client(self, rows: Sequence[Row]) -> Callable[[], Awaitable[None]]:
        await self.sink()
        client: Any = connect(self._server.uri(), timeout_s=60.0)
        collection = client[self._DATABASE].transactions
        await collection.find_one()  # connected
        documents = map(document_of, rows)
        requests = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents]

        async def write() -> None:
            for batch in batches(requests):
                await collection.bulk_write(batch, ordered=False)
            await disconnect(client)

        return write


@contextmanager
def _mongodb() -> Iterator[StoreBench]:
    with TemporaryDirectory() as folder, MongoServer(Path(folder)) as server:
        yield _MongoBench(server)


_STORES: Sequence[Callable[[], AbstractContextManager[StoreBench]]] = (
    _mongodb,
    elasticsearch,
    influxdb,
    liveanalytics,
    parquet,
)
