"""The live page, put together: a thread that reads Kafka, and a server that runs until it is told to stop."""

import asyncio
import ipaddress
import logging
import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, NoReturn

import waitress

from app.asking import answer, publisher_url
from app.board_reader import BoardReader
from app.connection import Connection
from app.decoders import decoders_of
from app.metrics_page import process_registry
from app.settings import Settings
from app.topics import topics_of
from dashboard.access import Access, networks, read_role_tokens
from dashboard.board import Bounds, VerdictLine
from dashboard.grid import Grid
from dashboard.live import Live
from dashboard.metrics import DashboardMetrics
from dashboard.views import AnalystView, DeskView
from dashboard.web import Options, Site, create_web
from streaming.decoding import JsonDecoder
from streaming.errors import ConfigError
from streaming.garbage import leave_imports_alone
from streaming.log_rate import limit_log_rate

log = logging.getLogger(__name__)

_FIXES_A_DEVICE: Final = 300
_THREADS_FOR_PAGES: Final = 8  # beside those that push
_MOST_UNREAD_BYTES: Final = 262_144
_ASK_EVERY_S: Final = 5.0
_STOP_TIMEOUT_S: Final = 5.0


def serve_dashboard(connection: Connection, settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_listening` hears the URL.

    It starts without Kafka, and says so on the page. Raises ConfigError where a file or an address cannot be
    used, or anybody could see where phones are.
    """
    access = access_of(settings)
    registry, stop = process_registry(), Event()
    metrics = DashboardMetrics(registry)
    live = Live(
        Bounds(
            history_s=settings.dashboard_history_s,
            devices=settings.dashboard_max_devices,
            fixes=_FIXES_A_DEVICE,
            flagged=settings.dashboard_max_flagged,
        )
    )
    analyst = AnalystView(Grid(settings.dashboard_cell_km), secrets.token_bytes(32))
    web = create_web(
        Site(
            live=live,
            access=access,
            views={"desk": DeskView(), "analyst": analyst},
            options=_options(settings),
            metrics=metrics,
            registry=registry,
            stop=stop,
        )
    )
    try:
        server = waitress.create_server(
            web,
            host="127.0.0.1" if settings.dashboard_host == "localhost" else settings.dashboard_host,
            port=settings.dashboard_port,
            threads=settings.dashboard_max_pages + _THREADS_FOR_PAGES,
            connection_limit=10 * (settings.dashboard_max_pages + _THREADS_FOR_PAGES),
            outbuf_high_watermark=_MOST_UNREAD_BYTES,  # a browser that does not read is waited for
            clear_untrusted_proxy_headers=False,  # dashboard/access.py says whose count
            ident=None,
        )
    except OSError as error:
        raise ConfigError(
            f"cannot listen ({error.strerror}): see SMARTBANK_DASHBOARD_HOST and _PORT"
        ) from error
    limit_log_rate("aiokafka")
    reading = _Reading(connection, settings, live, metrics)
    reading.start()

    def leave(_number: int, _frame: object) -> NoReturn:
        stop.set()
        raise SystemExit(int(reading.has_failed))  # waitress ends its threads then

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    leave_imports_alone()
    on_listening(f"http://{settings.dashboard_host}:{server.effective_port}")
    try:
        server.run()
    finally:
        stop.set()
        reading.stop()


def _options(settings: Settings) -> Options:
    return Options(
        every_s=settings.dashboard_push_interval_s,
        most_pages=settings.dashboard_max_pages,
        history_s=settings.dashboard_history_s,
        most_devices=settings.dashboard_max_devices,
        most_flagged=settings.dashboard_max_flagged,
        tiles_url=settings.dashboard_tiles_url,
        tiles_attribution=settings.dashboard_tiles_attribution,
    )


def access_of(settings: Settings) -> Access:
    """Who may see the page. Raises ConfigError where that would be everybody."""
    proxies = networks(settings.dashboard_trusted_proxies)
    if bool(proxies) != bool(settings.dashboard_proxy_header):
        raise ConfigError(
            "SMARTBANK_DASHBOARD_PROXY_HEADER and SMARTBANK_DASHBOARD_TRUSTED_PROXIES need each other"
        )
    tokens = settings.dashboard_token_file
    if not tokens and not proxies and not _is_loopback(settings.dashboard_host):
        raise ConfigError(
            f"anybody at {settings.dashboard_host} could see where phones are: set"
            " SMARTBANK_DASHBOARD_TOKEN_FILE (docs/dashboard.md), or serve at 127.0.0.1"
        )
    return Access(
        tokens=read_role_tokens(Path(tokens)) if tokens else None,
        proxy_header=settings.dashboard_proxy_header,
        proxies=proxies,
        open_role=None if tokens or proxies else settings.dashboard_open_role,
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Reading(Thread):
    """The thread with the asyncio loop: Kafka, and now and then the publisher."""

    def __init__(
        self, connection: Connection, settings: Settings, live: Live, metrics: DashboardMetrics
    ) -> None:
        super().__init__(name="reading", daemon=True)
        topics = topics_of(settings)
        decoders: dict[str, JsonDecoder[Any]] = {
            **decoders_of((topics.location_data, topics.potential_fraud)),
            topics.transaction_decisions.name: JsonDecoder(VerdictLine),
        }
        self._reader = BoardReader(
            connection, decoders, live, metrics, history_s=settings.dashboard_history_s
        )
        self._live = live
        self._url = publisher_url(settings) if settings.publisher_web_port else ""
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None
        self.has_failed = False

    def run(self) -> None:
        """Read until stopped."""
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._both())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except BaseException:
            # A page over data that stands still would look alive: end, and be started again.
            log.exception("the page cannot go on reading")
            self.has_failed = True
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            self._loop.close()

    def stop(self) -> None:
        """End it, with its connections closed."""
        if self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self.join(_STOP_TIMEOUT_S)

    async def _both(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reader.run())
            if self._url:
                group.create_task(self._ask_publisher())

    async def _ask_publisher(self) -> None:
        """Keep what the publisher says of the day; None while it cannot be reached."""
        while True:
            try:
                told = await answer(self._url, "flagged", {"window_s": "86400", "windows": "1"})
                self._live.publisher = next(iter(told["answer"]), None)
            except Exception as error:  # noqa: BLE001 (whatever answers at that port, the page goes on)
                log.debug("the publisher says nothing of use: %r", error)
                self._live.publisher = None
            await asyncio.sleep(_ASK_EVERY_S)
