"""Elasticsearch, InfluxDB, Timestream's stand-in and Parquet files, for bench/sinks.py."""

import asyncio
import os
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from app.local_services.elasticsearch import LocalElasticsearch
from app.local_services.influxdb import ORG, TOKEN, LocalInfluxDB
from app.local_services.local_server import LocalServer
from app.local_services.moto import CREDENTIALS, REGION, LocalMoto
from bench.store_bench import StoreBench, batches
from sinks.base import Row, Sink
from sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink, document_of, index_of
from sinks.influxdb import InfluxOptions, InfluxSink
from sinks.influxdb_lines import line_of_row
from sinks.parquet import SCHEMA, ParquetSink
from sinks.timestream import TimestreamOptions, TimestreamSink
from sinks.timestream_records import COMMON, MOST_RECORDS, record_of_row

_NAME = "bench"
_CALLS_AT_A_TIME = 8

Write = Callable[[], Awaitable[None]]


class _ElasticsearchBench:
    name = "elasticsearch"
    remark = "Elasticsearch 7.17.28 is the limit of both; it runs on the same cores."

    def __init__(self, server: LocalServer) -> None:
        self._url, self.pid = server.url, server.pid

    async def sink(self) -> Sink:
        async with AsyncElasticsearch(self._url, request_timeout=60) as client:
            await client.indices.delete(index=f"{_NAME}-*")
        sink = ElasticsearchSink(ElasticsearchOptions(url=self._url, index=_NAME, timeout_s=60))
        await sink.migrate()
        return sink

    async def client(self, rows: Sequence[Row]) -> Write:
        await self.sink()
        client = AsyncElasticsearch(self._url, request_timeout=60)
        await client.info()  # connected
        documents = [msgspec.json.decode(msgspec.json.encode(document_of(row))) for row in rows]
        actions = [
            {"_index": index_of(_NAME, row), "_id": row.row_token, "_source": document}
            for row, document in zip(rows, documents, strict=True)
        ]

        async def write() -> None:
            for batch in batches(actions):
                await async_bulk(client, batch, chunk_size=len(batch))
            await client.close()

        return write


class _InfluxBench:
    name = "timestream (InfluxDB)"
    remark = "InfluxDB 2.7.12 takes what both send."

    def __init__(self, server: LocalServer) -> None:
        self._url, self.pid = server.url, server.pid

    async def sink(self) -> Sink:
        options = InfluxOptions(
            url=self._url, org=ORG, token=TOKEN, bucket=_NAME, retention_days=3650, timeout_s=60
        )
        sink = InfluxSink(options)
        await sink.migrate()
        async with InfluxDBClientAsync(self._url, TOKEN, ORG) as client:
            await client.delete_api().delete("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "", _NAME)
        return sink

    async def client(self, rows: Sequence[Row]) -> Write:
        await self.sink()
        client = InfluxDBClientAsync(self._url, TOKEN, ORG)
        await client.ping()  # connected
        lines = [line_of_row(row) for row in rows]

        async def write() -> None:
            for batch in batches(lines):
                await client.write_api().write(_NAME, record=list(batch))
            await client.close()

        return write


class _MotoBench:
    name = "timestream (LiveAnalytics)"
    remark = "LiveAnalytics' stand-in is moto, of which the speed says nothing of Amazon's."

    def __init__(self, server: LocalServer) -> None:
        self._url, self.pid = server.url, server.pid
        self._tables = 0

    async def sink(self) -> Sink:
        self._tables += 1
        sink = TimestreamSink(
            TimestreamOptions(
                region=REGION,
                database=_NAME,
                table=self._table,
                partition_dimension="row_token",
                memory_hours=24,
                retention_days=3650,
                timeout_s=60,
                endpoint_url=self._url,
            )
        )
        await sink.migrate()
        return sink

    @property
    def _table(self) -> str:
        return f"{_NAME}{self._tables}"

    async def client(self, rows: Sequence[Row]) -> Write:
        await self.sink()
        client = boto3.client("timestream-write", endpoint_url=self._url, **CREDENTIALS)
        records = [record_of_row(row) for row in rows]
        calls = [records[start : start + MOST_RECORDS] for start in range(0, len(records), MOST_RECORDS)]
        room = asyncio.Semaphore(_CALLS_AT_A_TIME)

        async def call(of: list[Any]) -> None:
            async with room:
                where = {"DatabaseName": _NAME, "TableName": self._table, "CommonAttributes": COMMON}
                await asyncio.to_thread(client.write_records, **where, Records=of)

        async def write() -> None:
            await asyncio.gather(*map(call, calls))

        return write


class _ParquetBench:
    name = "parquet"
    remark = (
        "Parquet: the plain client starts from decoded rows, of which `Table.from_pylist` makes tables. Both"
        " make a file for each batch and day, zstd, and sync, rename, and sync its folder."
    )
    pid: int | None = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def sink(self) -> Sink:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        sink = ParquetSink(str(self._folder))
        await sink.migrate()
        return sink

    async def client(self, rows: Sequence[Row]) -> Write:
        await self.sink()

        async def write() -> None:
            for number, batch in enumerate(batches(rows)):
                by_day: defaultdict[date, list[Any]] = defaultdict(list)
                for row in batch:
                    by_day[row.time_from.date()].append(msgspec.structs.asdict(row))
                for day, of_day in by_day.items():
                    folder = self._folder / f"date={day}"
                    folder.mkdir(exist_ok=True)
                    table = pa.Table.from_pylist(of_day, schema=SCHEMA)
                    pq.write_table(table, folder / ".half", compression="zstd")
                    _sync(folder / ".half")
                    (folder / ".half").rename(folder / f"{number}.parquet")
                    _sync(folder)
            _sync(self._folder)

        return write


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


@contextmanager
def elasticsearch() -> Iterator[StoreBench]:
    """A node of its own."""
    with TemporaryDirectory() as folder, LocalElasticsearch.running(Path(folder)) as server:
        yield _ElasticsearchBench(server)


@contextmanager
def influxdb() -> Iterator[StoreBench]:
    """A server of its own."""
    with TemporaryDirectory() as folder, LocalInfluxDB.running(Path(folder)) as server:
        yield _InfluxBench(server)


@contextmanager
def liveanalytics() -> Iterator[StoreBench]:
    """Its stand-in."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with TemporaryDirectory() as folder, LocalMoto.running(Path(folder)) as server:
        yield _MotoBench(server)


@contextmanager
def parquet() -> Iterator[StoreBench]:
    """A folder of its own."""
    with TemporaryDirectory() as folder:
        yield _ParquetBench(Path(folder) / "rows")
