"""The web server of a process that is no Faust app: /metrics, /livez, /readyz."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry

from app.health import health_page
from app.metrics_page import metrics_page
from app.settings import PREFIX
from streaming.errors import ConfigError
from streaming.health import Finding


def pages_of(
    registry: CollectorRegistry,
    is_alive: Callable[[], Finding],
    is_ready: Callable[[], Awaitable[Sequence[Finding]]],
) -> web.Application:
    """The three pages. `is_ready`: what has to be so beside being alive."""

    async def metrics(_: web.Request) -> web.Response:
        return metrics_page(registry)

    async def livez(_: web.Request) -> web.Response:
        return health_page([is_alive()])

    async def readyz(_: web.Request) -> web.Response:
        return health_page([is_alive(), *await is_ready()])

    pages = web.Application()
    pages.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    return pages


@asynccontextmanager
async def serving(pages: web.Application, host: str, port: int, setting: str) -> AsyncIterator[None]:
    """Serve for as long; `setting` names the port. Raises ConfigError where it cannot be had."""
    runner = web.AppRunner(pages, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigError(
                f"nothing can be served at {host}:{port} ({error.strerror}):"
                f" {PREFIX}{setting.upper()} must be another one, or 0"
            ) from None
        yield
    finally:
        await runner.cleanup()
