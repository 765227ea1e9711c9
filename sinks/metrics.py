"""What Prometheus sees of a sink."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class SinkMetrics:
    """The metrics of one sink; each has a label with its name."""

    def __init__(self, registry: CollectorRegistry, sink: str) -> None:
        self.rows_written = Counter(
            "smartbank_sink_rows_written",
            "Rows that the store took; repeats count again.",
            ["sink"],
            registry=registry,
        ).labels(sink)
        self._rows_rejected = Counter(
            "smartbank_sink_rows_rejected",
            "Records that became dead letters: refused by the store, or malformed.",
            ["sink", "reason"],
            registry=registry,
        )
        self.retries = Counter(
            "smartbank_sink_retries",
            "Calls of the store that failed and were made again.",
            ["sink"],
            registry=registry,
        ).labels(sink)
        self.batch_seconds = Histogram(
            "smartbank_sink_batch_seconds",
            "How long a write of a batch took that came to its end.",
            ["sink"],
            buckets=_BUCKETS_S,
            registry=registry,
        ).labels(sink)
        self.buffered_rows = Gauge(
            "smartbank_sink_buffered_rows",
            "Rows that were read and are not in the store yet.",
            ["sink"],
            registry=registry,
        ).labels(sink)
        self.oldest_row_seconds = Gauge(
            "smartbank_sink_oldest_row_seconds",
            "How long the oldest of them has waited: grows while the store is away.",
            ["sink"],
            registry=registry,
        ).labels(sink)
        self.breaker_state = Gauge(
            "smartbank_sink_breaker_state",
            "Circuit breaker: 0 closed, 1 half open, 2 open.",
            ["sink"],
            registry=registry,
        ).labels(sink)
        self._sink = sink

    def reject(self, reason_code: str) -> None:
        """Count a record that becomes a dead letter."""
        self._rows_rejected.labels(self._sink, reason_code).inc()
