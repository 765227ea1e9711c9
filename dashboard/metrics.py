"""What Prometheus reads of the live page."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_PREFIX = "smartbank_dashboard"


class DashboardMetrics:
    """Counters and gauges on a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(f"{_PREFIX}_records", "Records read.", ["topic"], registry=registry)
        self.bad_records = Counter(
            f"{_PREFIX}_bad_records",
            "Records that could not be read, and were passed over.",
            ["topic"],
            registry=registry,
        )
        self.behind_s = Gauge(
            f"{_PREFIX}_behind_seconds", "Age of the record that was read last.", registry=registry
        )
        self.kafka_up = Gauge(f"{_PREFIX}_kafka_up", "1 while Kafka answers.", registry=registry)
        self.devices = Gauge(f"{_PREFIX}_devices", "Devices on the board.", registry=registry)
        self.flagged = Gauge(f"{_PREFIX}_flagged", "Flagged transactions on the board.", registry=registry)
        self.pages = Gauge(f"{_PREFIX}_pages", "Pages that are open now.", registry=registry)
        self.events = Counter(f"{_PREFIX}_events", "Events sent to pages.", registry=registry)
        self.event_bytes = Counter(f"{_PREFIX}_event_bytes", "Their bytes.", registry=registry)
        self.refused = Counter(f"{_PREFIX}_refused_tokens", "Wrong tokens.", registry=registry)
