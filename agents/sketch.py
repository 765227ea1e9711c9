"""The publisher's sketches: a desk for each partition, and snapshots of them."""

import asyncio
import time
from asyncio import Future
from collections import Counter as Counts
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from weakref import WeakKeyDictionary

import faust
import mmh3
import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from sketches.accuracy import Finding, worst
from sketches.audits import Audit
from sketches.book import Entry
from sketches.desk import Desk, Notebooks, Options
from sketches.usual_places import Answer
from streaming.cascade import Cascade
from streaming.chunk import Chunk
from streaming.internals import producer_of
from streaming.stores import PartitionStore
from tables.snapshots import SnapshotTable

_JUDGE_PAUSE_S = 60.0
_MOST_DEVICES_IN_MEMORY = 20_000
"""Of a partition, after a snapshot; the others are read from the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Where snapshots lie."""

    sketches: SnapshotTable
    views: SnapshotTable
    devices: SnapshotTable


TABLES = {
    "sketches": "name of a sketch -> Snapshot",
    "views": "view, start of a span of time -> Snapshot",
    "devices": "device id -> Snapshot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What is kept of a partition, and how often it is written."""

    sketches: Sequence[Entry]
    views: Sequence[Entry]
    audits: Sequence[Audit]
    options: Options
    snapshot_interval_s: float
    snapshot_records: int


class SketchMetrics:
    """What the sketches took up, for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.readings = Counter(
            "smartbank_sensor_readings",
            "Locations by whether they are where the device usually is (the paper's words), or not known.",
            ["answer"],
            registry=registry,
        )
        self.snapshots = Counter(
            "smartbank_sketch_snapshots", "Snapshots of a partition's sketches.", registry=registry
        )
        self._error_ratio = Gauge(
            "smartbank_sketch_error_ratio",
            "Error of a sketch, as exact counts of a part of the stream have it, over the error it promises.",
            ["sketch"],
            registry=registry,
        )
        self._bound_broken = Gauge(
            "smartbank_sketch_bound_broken",
            "1: a sketch is off by more than chance makes it.",
            ["sketch"],
            registry=registry,
        )

    def show_findings(self, findings: Iterable[Finding]) -> None:
        """Show the worst of what was found of each sketch, and nothing of others."""
        self._error_ratio.clear()
        self._bound_broken.clear()
        for finding in worst(findings):
            self._error_ratio.labels(finding.sketch).set(finding.ratio)
            self._bound_broken.labels(finding.sketch).set(bool(finding.broken))

    def count_readings(self, answers: Sequence[Answer]) -> None:
        """Count locations by the answer to them."""
        for answer, count in Counts(answers).items():
            self.readings.labels(answer).inc(count)


class Desks:
    """The desks of the partitions that this worker owns, and their next snapshots."""

    def __init__(self, app: faust.App, tables: Tables, book: Book, metrics: SketchMetrics) -> None:
        self._app = app
        self._tables = tables
        self._book = book
        self._metrics = metrics
        self._cascade = Cascade()
        self._desks: WeakKeyDictionary[PartitionStore, Desk] = WeakKeyDictionary()
        self._snapshots: dict[int, _NextSnapshot] = {}
        self._findings: dict[int, list[Finding]] = {}
        self._judge_due_s: dict[int, float] = {}

    def of(self, partition: int) -> Desk:
        """A partition's desk; made of its rows when it has come to this worker."""
        store: PartitionStore = self._tables.sketches.data.partition(partition)
        desk = self._desks.get(store)
        if desk is None:
            notebooks = Notebooks(
                sketches=self._tables.sketches.notebook(partition, with_keys=True),
                views=self._tables.views.notebook(partition, with_keys=True),
                devices=self._tables.devices.notebook(partition, with_keys=False),
            )
            seed = mmh3.hash(f"{self._app.conf.id}/{partition}", signed=False)
            book = self._book
            desk = Desk(
                notebooks, book.sketches, book.views, seed=seed, options=book.options, audits=book.audits
            )
            self._desks[store] = desk
        return desk

    def owned(self) -> list[int]:
        """The partitions whose sketches are here."""
        topic = self._tables.sketches.changelog_topic.get_topic_name()
        return sorted(tp.partition for tp in self._app.assignor.assigned_actives() if tp.topic == topic)

    def rows(
        self, partition: int, table: Literal["sketches", "views", "findings"], prefixes: Sequence[str]
    ) -> dict[bytes, bytes]:
        """Sketches of a partition whose keys begin with one of `prefixes`, as they are now.

        Of "findings" all: what the ledgers say of each sketch.
        """
        if table == "findings":
            findings = self.of(partition).findings()
            return {each.sketch.encode(): msgspec.msgpack.encode(each) for each in findings}
        notebooks = self.of(partition).notebooks
        notebook = notebooks.sketches if table == "sketches" else notebooks.views
        found: dict[bytes, bytes] = {}
        for prefix in prefixes:
            found |= notebook.rows(prefix.encode())
        return found

    def next_snapshot(self, chunk: Chunk) -> Future[None] | None:
        """What is done when the broker has the snapshot that holds a chunk; None where none is needed."""
        partition = chunk.partition
        if partition not in self._snapshots:
            if not chunk.ends:
                return None
            due_s = time.monotonic() + self._book.snapshot_interval_s
            self._snapshots[partition] = _NextSnapshot(due_s, asyncio.get_running_loop().create_future())
        waiting = self._snapshots[partition]
        waiting.records += len(chunk.events)
        if waiting.records >= self._book.snapshot_records or time.monotonic() >= waiting.due_s:
            self.write(partition)
        return waiting.written

    def write(self, partition: int) -> None:
        """Write the snapshot that chunks of a partition wait for, if any do.

        Places that are approved come before the samples that they were drawn from: these find them once.
        """
        waiting = self._snapshots.pop(partition, None)
        if waiting is None:
            return
        tables, notebooks = self._tables, self.of(partition).notebooks
        stages = [
            tables.sketches.put_changes(partition, notebooks.sketches),
            tables.views.put_changes(partition, notebooks.views),
            tables.devices.put_changes(partition, notebooks.devices),
        ]
        notebooks.devices.close(_MOST_DEVICES_IN_MEMORY)
        written = self._cascade.send(partition, producer_of(self._app), (), stages)
        written.add_done_callback(partial(pass_on, waiting.written))
        self._metrics.snapshots.inc()
        self._judge(partition)

    def _judge(self, partition: int) -> None:
        """Compare sketches with their ledgers now and then. Metrics are of the partitions that are here."""
        now_s = time.monotonic()
        if now_s < self._judge_due_s.get(partition, 0.0):
            return
        self._judge_due_s[partition] = now_s + _JUDGE_PAUSE_S
        self._findings[partition] = self.of(partition).findings()
        owned = self.owned()
        self._findings = {p: found for p, found in self._findings.items() if p in owned}
        self._metrics.show_findings(each for found in self._findings.values() for each in found)


@dataclass(slots=True)
class _NextSnapshot:
    due_s: float
    written: Future[None]
    records: int = 0


def pass_on(to: Future[None], done: Future[Any]) -> None:
    """Let a future end as another has."""
    if done.cancelled():
        to.cancel()
    elif error := done.exception():
        to.set_exception(error)
    else:
        to.set_result(None)
