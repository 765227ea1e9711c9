"""What operators see of the gateway: counts and times, nothing of any message."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sources.gateway.answers import Accepted
from streaming.decoding import MALFORMED
from streaming.metrics import dead_letter_counter

ORIGIN = "gateway"  # where a dead letter came from, in place of a topic
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Metrics under smartbank_gateway_*, and the dead letters."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "smartbank_gateway_requests",
            "Requests by the status they were answered with.",
            ["status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "smartbank_gateway_request_seconds",
            "From a request's headers to its answer, of accepted pushes.",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._locations = Counter(
            "smartbank_gateway_locations", "Locations that Kafka has acknowledged.", registry=registry
        )
        self._dead_letters = dead_letter_counter(registry, "smartbank").labels(ORIGIN, MALFORMED)
        self._in_flight = Gauge(
            "smartbank_gateway_requests_in_flight", "Requests without an answer.", registry=registry
        )
        self._in_flight_bytes = Gauge(
            "smartbank_gateway_in_flight_bytes",
            "Records that Kafka has not acknowledged yet.",
            registry=registry,
        )
        self._by_status: dict[int, Counter] = {}

    def watch(self, requests: Callable[[], int], size_bytes: Callable[[], int]) -> None:
        """Ask for the gauges' values when somebody looks."""
        self._in_flight.set_function(requests)
        self._in_flight_bytes.set_function(size_bytes)

    def answered(self, status: int) -> None:
        """Count an answer."""
        counter = self._by_status.get(status)
        if counter is None:
            self._by_status[status] = counter = self._requests.labels(str(status))
        counter.inc()

    def accepted(self, counts: Accepted, elapsed_s: float) -> None:
        """Count a push that Kafka has acknowledged."""
        self._locations.inc(counts.accepted)
        self._dead_letters.inc(counts.dead_letters)
        self._seconds.observe(elapsed_s)
