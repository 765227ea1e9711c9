"""What Prometheus sees of an app that reads in chunks. The app says which word their names begin with."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic
from typing import Any

import faust
from faust.types import TP
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one partition of an input is read. None: not known."""

    tp: TP
    lag_records: int | None
    lag_s: float | None
    watermark_delay_s: float | None
    """Of the partition, over all inputs."""


class ChunkMetrics:
    """The metrics of reading, committing and restoring. What is per chunk is counted once a chunk."""

    def __init__(self, registry: CollectorRegistry, namespace: str) -> None:
        def histogram(name: str, doc: str, buckets: Sequence[float] = BUCKETS_S) -> Histogram:
            return Histogram(name, doc, namespace=namespace, buckets=buckets, registry=registry)

        self.chunk_seconds = histogram(
            "chunk_seconds", "From the beginning of the work on a chunk to its acknowledgement."
        )
        self.commit_seconds = histogram("commit_seconds", "How long commits took.")
        self.rebalances = Counter(
            "rebalances",
            "Rebalances of the group that this worker went through.",
            namespace=namespace,
            registry=registry,
        )
        self.rebalance_seconds = histogram(
            "rebalance_seconds",
            "From a rebalance's beginning until this worker's tables are restored.",
            _LONG_BUCKETS_S,
        )
        self.recovery_remaining = Gauge(
            "table_recovery_remaining_records",
            "Changelog records that tables of this worker still lack; 0 when it is ready.",
            namespace=namespace,
            registry=registry,
        )
        self.recovery_restored = Counter(
            "table_recovery_records",
            "Changelog records that were read into tables of this worker.",
            namespace=namespace,
            registry=registry,
        )
        self._prefix = f"{namespace}_"
        self._positions: Callable[[], Iterable[Position]] = tuple
        self._table_rows: Callable[[], Mapping[tuple[str, int], float]] = dict
        Asked(registry, self._asked)

    def watch(
        self,
        positions: Callable[[], Iterable[Position]],
        table_rows: Callable[[], Mapping[tuple[str, int], float]],
    ) -> None:
        """Ask for positions, and for rows by table and partition, when somebody looks."""
        self._positions, self._table_rows = positions, table_rows

    def _asked(self) -> Iterator[Metric]:
        positions = tuple(self._positions())
        place = ("topic", "partition")
        delays_s = {  # of a partition, whichever the topic
            (each.tp.partition,): each.watermark_delay_s
            for each in positions
            if each.watermark_delay_s is not None
        }
        yield gauge(
            f"{self._prefix}consumer_lag_records",
            "Records of an input behind the committed offset.",
            place,
            ((each.tp, each.lag_records) for each in positions if each.lag_records is not None),
        )
        yield gauge(
            f"{self._prefix}consumer_lag_seconds",
            "Age of the oldest record that was fetched and is not acknowledged; 0 without a lag.",
            place,
            ((each.tp, each.lag_s) for each in positions if each.lag_s is not None),
        )
        yield gauge(
            f"{self._prefix}watermark_delay_seconds",
            "How far stream time, the latest record timestamp handed to the agent, is behind the clock.",
            ("partition",),
            delays_s.items(),
        )
        yield gauge(
            f"{self._prefix}table_rows",
            "Rows of a table here; on disk, RocksDB's estimate.",
            ("table", "partition"),
            self._table_rows().items(),
        )


class ChunkSensor(faust.Sensor):  # type: ignore[misc]
    """Hears of rebalances and commits from Faust.

    Faust's own Prometheus sensor would count a chunk as one message, and no send or table write at all; its
    times are in milliseconds.
    """

    def __init__(self, metrics: ChunkMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def on_rebalance_start(self, _app: Any) -> float:
        """Count it, and remember when."""
        self._metrics.rebalances.inc()
        return monotonic()

    def on_rebalance_end(self, _app: Any, began_s: float) -> None:
        """Tables are restored."""
        self._metrics.rebalance_seconds.observe(monotonic() - began_s)

    def on_commit_initiated(self, _consumer: Any) -> float:
        """Remember when."""
        return monotonic()

    def on_commit_completed(self, _consumer: Any, began_s: float) -> None:
        """The broker has answered."""
        self._metrics.commit_seconds.observe(monotonic() - began_s)


def dead_letter_counter(registry: CollectorRegistry, namespace: str) -> Counter:
    """The counter of dead letters, by where they came from and reason code."""
    return Counter(
        "dead_letters",
        "Records that became dead letters.",
        ["topic", "reason"],
        namespace=namespace,
        registry=registry,
    )


class Asked(Collector):
    """Metrics that are worked out when somebody looks."""

    def __init__(self, registry: CollectorRegistry, ask: Callable[[], Iterable[Metric]]) -> None:
        self._ask = ask
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """As Prometheus' client calls it."""
        return self._ask()


def gauge(
    name: str, doc: str, labels: Sequence[str], values: Iterable[tuple[Sequence[object], float]]
) -> GaugeMetricFamily:
    """Values of now, each with the values of its labels."""
    family = GaugeMetricFamily(name, doc, labels=labels)
    for of_labels, value in values:
        family.add_metric(tuple(map(str, of_labels)), value)
    return family


class BulkHistogram(Collector):
    """A histogram that takes many values at once: Prometheus' own takes a microsecond for each."""

    def __init__(self, name: str, doc: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name, self._doc, self._bounds = name, doc, tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: Sequence[float]) -> None:
        """Count values, in ascending order."""
        ends = [*(bisect_right(values, bound) for bound in self._bounds), len(values)]
        begin = 0
        for place, end in enumerate(ends):
            self._counts[place] += end - begin
            begin = end
        self._sum += sum(values)

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' client calls it."""
        names = (*map(str, self._bounds), "+Inf")
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._doc, buckets=buckets, sum_value=self._sum)
