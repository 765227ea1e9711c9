"""/livez and /readyz of a worker, and its readiness as a metric."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import faust
from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric

from app.metrics_page import metrics_page
from app.settings import Settings
from streaming.health import EventLoopWatch, Finding, Health, polls, worker_findings
from streaming.metrics import BUCKETS_S, Asked, gauge

Check = Callable[[], Sequence[Finding]]


def event_loop_watch(registry: CollectorRegistry) -> EventLoopWatch:
    """A watch on the event loop that shows its delays; its `run` is a task of the process."""
    delays = Histogram(
        "smartbank_event_loop_delay_seconds",
        "How late the event loop comes to what is due, looked at every second.",
        buckets=BUCKETS_S,
        registry=registry,
    )
    return EventLoopWatch(delays.observe)


@asynccontextmanager
async def running(watch: EventLoopWatch) -> AsyncIterator[None]:
    """Let a watch run for as long."""
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


def health_page(findings: Sequence[Finding]) -> web.Response:
    """Findings as JSON: 200 where all is well, else 503."""
    status, body = Health.of(findings).answer()
    return web.Response(status=status, body=body, content_type="application/json")


def watch_worker(
    app: faust.App,
    registry: CollectorRegistry,
    settings: Settings,
    *,
    hold_s: float = 0.0,
    more: Check = list,
) -> None:
    """Let a worker answer to /metrics, /livez and /readyz.

    Its agent may hold a chunk for `hold_s` before it is acknowledged; `more`: what else must be so.
    """
    limit_s = settings.stuck_after_s
    loop = event_loop_watch(registry)
    app.in_background(loop.run)

    def live() -> list[Finding]:
        return [loop.finding(limit_s), polls(app.consumer.vitals(), limit_s)]

    def ready() -> list[Finding]:
        return [
            loop.finding(limit_s),
            *worker_findings(app.consumer.vitals(), limit_s, hold_s),
            *more(),
        ]

    def is_ready() -> Iterable[Metric]:
        findings = ready() if app.started else ()
        checks = (((each.name,), float(each.ok)) for each in findings)
        yield gauge("smartbank_health_check_ok", "1: this check of /readyz holds.", ("check",), checks)

    Asked(registry, is_ready)
    for path, answer in (
        ("/metrics", lambda: metrics_page(registry)),
        ("/livez", lambda: health_page(live())),
        ("/readyz", lambda: health_page(ready())),
    ):
        _serve(app, path, answer)


def _serve(app: faust.App, path: str, answer: Callable[[], web.Response]) -> None:
    async def page(_view: Any, _request: Any) -> web.Response:
        return answer()

    page.__name__ = path.strip("/")
    app.page(path)(page)
