"""A delivery to a store, as the agent of a sink would drive it."""

import asyncio
from asyncio import Future
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from faust.types import TP
from prometheus_client import CollectorRegistry

from models.anonymized_transaction import AnonymizedTransaction
from sinks.base import Sink
from sinks.delivery import Delivery, DeliveryOptions, Refused
from sinks.metrics import SinkMetrics
from streaming.chunk import Event
from tests.messages import record

TIMEOUT_S = 60.0
QUICK = DeliveryOptions(
    batch_max_rows=100,
    batch_max_wait_s=0.01,
    buffer_max_rows=300,
    write_timeout_s=5.0,
    retry_min_s=0.02,
    retry_max_s=0.2,
    breaker_failures=2,
    breaker_open_s=0.2,
)


class Delivering:
    """A delivery that runs, what it put aside, and its metrics."""

    def __init__(self, sink: Sink, options: DeliveryOptions) -> None:
        self.refused: list[Refused] = []
        self._registry = CollectorRegistry()
        self._name = sink.name
        self.delivery = Delivery(sink, options, SinkMetrics(self._registry, sink.name), self._put_aside)

    async def _put_aside(self, refused: Sequence[Refused]) -> None:
        self.refused += refused

    async def deliver(self, rows: Sequence[AnonymizedTransaction], *, chunk_rows: int = 50) -> None:
        """Give it rows, chunk by chunk; return when it says that all are delivered."""
        futures: list[Future[None]] = []
        for start in range(0, len(rows), chunk_rows):
            futures.append(await self.delivery.take(events(rows[start : start + chunk_rows])))
            assert self.metric("smartbank_sink_buffered_rows") <= QUICK.buffer_max_rows
        async with asyncio.timeout(TIMEOUT_S):
            for future in futures:
                await future

    def metric(self, name: str) -> float:
        """Its value."""
        value = self._registry.get_sample_value(name, {"sink": self._name})
        assert value is not None, name
        return value

    async def wait_for(self, name: str, least: float) -> None:
        """Return when a metric is at least that."""
        async with asyncio.timeout(TIMEOUT_S):
            while self.metric(name) < least:  # noqa: ASYNC110 (a metric rings no bell)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def delivering(sink: Sink, options: DeliveryOptions = QUICK) -> AsyncIterator[Delivering]:
    """Run a delivery while the body runs."""
    running = Delivering(sink, options)
    task = asyncio.create_task(running.delivery.run())
    try:
        yield running
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def events(rows: Sequence[AnonymizedTransaction]) -> list[Event]:
    """Rows as they come from the topic."""
    topic = "anonymized_transactions"
    return [
        (TP(topic, 0), record(topic, offset=n, key=row.row_token.encode()), row) for n, row in enumerate(rows)
    ]
