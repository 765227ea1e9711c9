"""Elasticsearch and InfluxDB, on the servers of app/local_services; Parquet files in a folder."""

import json
import os
import shutil
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec
import pyarrow.parquet as pq

from app.local_services.elasticsearch import LocalElasticsearch
from app.local_services.influxdb import ORG, TOKEN, LocalInfluxDB
from app.local_services.local_server import LocalServer
from models.anonymized_transaction import AnonymizedTransaction
from sinks.base import Sink
from sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink
from sinks.influxdb import InfluxOptions, InfluxSink
from sinks.parquet import ParquetSink
from tests.contract.stores import Store
from tests.local_servers import started

_INDEX, _BUCKET = "anonymized-transactions", "anonymized_transactions"


class LocalStore(Store):
    """A store whose server is one of this machine's."""

    server_kind: ClassVar[type[LocalServer]]

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self.port = server.port

    @classmethod
    def start(cls, folder: Path) -> Self:
        """One server for a module."""
        return cls(started(cls.server_kind(folder)))

    def stop(self) -> None:
        """SIGTERM."""
        self._server.stop()

    def kill(self) -> bool:
        """Kill -9."""
        assert self._server.pid is not None
        os.kill(self._server.pid, signal.SIGKILL)
        return True

    def revive(self) -> None:
        """On its old port, with its data."""
        self._server.start()
        assert self._server.port == self.port

    def url(self, port: int | None) -> str:
        """Its address, or that of a proxy."""
        return f"http://127.0.0.1:{port or self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        """What it answers over bare HTTP."""
        request = urllib.request.Request(  # noqa: S310 (to ourselves)
            self.url(None) + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            content: bytes = response.read()
        return content


class ElasticsearchStore(LocalStore):
    """A node without Elastic's own additions: passwords are none of its business."""

    name = "elasticsearch"
    lacks = frozenset({"passwords"})  # the jars of this machine have no security
    server_kind = LocalElasticsearch

    def sink(self, *, port: int | None = None, password: str | None = None, timeout_s: float = 10.0) -> Sink:
        """Nobody asks for a password."""
        del password
        return ElasticsearchSink(ElasticsearchOptions(url=self.url(port), index=_INDEX, timeout_s=timeout_s))

    def settings(self) -> dict[str, str]:
        """Without a password."""
        return {"elasticsearch_url": self.url(None), "elasticsearch_index": _INDEX}

    def clear(self) -> None:
        """Neither indices nor template."""
        self.ask("DELETE", f"/{_INDEX}-*")
        self.ask("DELETE", "/_index_template/*")

    def tokens(self) -> Counter[str]:
        """By search."""
        self.ask("POST", f"/{_INDEX}-*/_refresh")
        query: dict[str, Any] = {"size": 10_000, "_source": False, "sort": ["row_token"]}
        found: Counter[str] = Counter()
        while hits := json.loads(self.ask("POST", f"/{_INDEX}-*/_search", query))["hits"]["hits"]:
            found.update(hit["sort"][0] for hit in hits)
            query["search_after"] = hits[-1]["sort"]
        return found

    def spoil(self, row: AnonymizedTransaction) -> AnonymizedTransaction:
        """A term that is longer than Lucene's longest."""
        return msgspec.structs.replace(row, merchant="m" * 40_000)

    def fill_disk(self) -> bool:
        """What Elasticsearch does itself where the disk is at its flood stage."""
        self._block(is_full=True)
        return True

    def free_disk(self) -> None:
        """It takes the block away itself."""
        self._block(is_full=False)

    def _block(self, *, is_full: bool) -> None:
        value = True if is_full else None
        self.ask("PUT", f"/{_INDEX}-*/_settings", {"index.blocks.read_only_allow_delete": value})


class InfluxStore(LocalStore):
    """The real InfluxDB 2."""

    name = "timestream"
    server_kind = LocalInfluxDB
    lacks = frozenset({"quota", "reading"})

    def sink(self, *, port: int | None = None, password: str | None = None, timeout_s: float = 10.0) -> Sink:
        """With the token that may do everything."""
        return InfluxSink(
            InfluxOptions(
                url=self.url(port),
                org=ORG,
                token=password or TOKEN,
                bucket=_BUCKET,
                retention_days=3650,
                timeout_s=timeout_s,
            )
        )

    def settings(self) -> dict[str, str]:
        """With the token that may do everything."""
        return {
            "influxdb_url": self.url(None),
            "influxdb_org": ORG,
            "influxdb_token": TOKEN,
            "influxdb_bucket": _BUCKET,
            "timestream_retention_days": "3650",  # rows of tests are old
        }

    def clear(self) -> None:
        """No bucket."""
        found = json.loads(self._ask("GET", "/api/v2/buckets?limit=100"))
        for bucket in found["buckets"]:
            if bucket["name"] == _BUCKET:
                self._ask("DELETE", f"/api/v2/buckets/{bucket['id']}")

    def tokens(self) -> Counter[str]:
        """By a query in Flux, answered as CSV."""
        query = f'from(bucket: "{_BUCKET}") |> range(start: 0) |> filter(fn: (r) => r._field == "row_token")'
        answer = self._ask("POST", f"/api/v2/query?org={ORG}", {"query": query}).decode().split("\r\n\r\n")
        found: Counter[str] = Counter()
        for table in filter(None, map(str.strip, answer)):
            head, *rows = [line.split(",") for line in table.splitlines()]
            found.update(each[head.index("_value")] for each in rows)
        return found

    def spoil(self, row: AnonymizedTransaction) -> AnonymizedTransaction:
        """A series whose key is longer than InfluxDB's longest."""
        return msgspec.structs.replace(row, merchant_category="m" * 70_000)

    def fill_disk(self) -> bool:
        """Nothing is known that makes it so without being root of a file system."""
        return False

    def free_disk(self) -> None:
        """Never full."""

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        return self.ask(
            method, path, body, Authorization=f"Token {TOKEN}", Accept="application/csv, application/json"
        )


class ParquetStore(Store):
    """Files in a folder of this machine."""

    name = "parquet"
    lacks = frozenset({"connections", "process", "quota", "passwords", "bad rows", "reading"})
    port = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "rows"

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Nothing runs."""
        return cls(folder)

    def stop(self) -> None:
        """Nothing to stop."""

    def sink(self, *, port: int | None = None, password: str | None = None, timeout_s: float = 10.0) -> Sink:
        """Nobody is asked."""
        del port, password, timeout_s
        return ParquetSink(str(self._folder))

    def settings(self) -> dict[str, str]:
        """The folder."""
        return {"parquet_url": str(self._folder)}

    def clear(self) -> None:
        """Not even the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def tokens(self) -> Counter[str]:
        """File by file."""
        files = self._folder.glob("date=*/*.parquet")
        return Counter(token for file in files for token in pq.read_table(file)["row_token"].to_pylist())

    def spoil(self, row: AnonymizedTransaction) -> None:
        """Every row fits."""

    def kill(self) -> bool:
        """Nothing runs."""
        return False

    def revive(self) -> None:
        """Nothing runs."""

    def fill_disk(self) -> bool:
        """Root may write to any folder, and a file system of its own takes a mount."""
        return False

    def free_disk(self) -> None:
        """Never full."""
