"""What Prometheus sees of notifications: counts and times, nothing of any transaction."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from notifications.notice import EVENTS

_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)


class NotificationMetrics:
    """Metrics under smartbank_notifications_*."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"smartbank_notifications_{name}", doc, labels, registry=registry)

        def gauge(name: str, doc: str) -> Gauge:
            return Gauge(f"smartbank_notifications_{name}", doc, registry=registry)

        self.sent = counter("sent", "Events that people were told of, in digests too.", "event")
        for event in EVENTS:
            self.sent.labels(event)
        self.messages = counter("messages", "Messages that the receiver took: a digest is one.")
        self.digests = counter("digests", "Digests among them.")
        self.repeated = counter("repeated", "Events that came again and were not sent again.")
        self.retries = counter("retries", "Tries that failed and were made again.")
        self.queue = gauge("queue", "Events that were read and wait for a digest.")
        self.away_seconds = gauge(
            "away_seconds", "How long the receiver has taken nothing: grows until it is back."
        )
        self.delay_seconds = Histogram(
            "smartbank_notifications_delay_seconds",
            "From an event's record timestamp until it was delivered.",
            buckets=_BUCKETS_S,
            registry=registry,
        )
