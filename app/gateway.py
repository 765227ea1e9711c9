"""The gateway, put together: from settings to a server that runs until it is told to stop."""

import asyncio
import ipaddress
import json
import logging
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry

from app.connection import Connection
from app.health import event_loop_watch, running
from app.intake import intake_of
from app.metrics_page import metrics_page, process_registry
from app.published.asyncapi import VERSION
from app.settings import Settings
from app.topics import topics_of
from sources.gateway.metrics import GatewayMetrics
from sources.gateway.openapi import openapi_document
from sources.gateway.server import ConnectionOptions, Handler, serving
from sources.gateway.service import Limits, Service
from sources.gateway.tokens import Tokens, read_tokens
from streaming.errors import ConfigError
from streaming.garbage import leave_imports_alone
from streaming.log_rate import limit_log_rate

log = logging.getLogger(__name__)

_GRACE_S = 1.0  # for an answer, after Kafka's


async def serve_gateway(
    connection: Connection, settings: Settings, on_listening: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; `on_listening` hears the URL. SIGHUP reads the token file again.

    It starts without Kafka, and answers 503 until there is one. Raises ConfigError where a file or an address
    cannot be used.
    """
    topics, tls, registry = topics_of(settings), _tls(settings), process_registry()
    loop_watch = event_loop_watch(registry)
    limit_log_rate("aiokafka")
    options = ConnectionOptions(
        max_connections=settings.gateway_max_connections,
        idle_timeout_s=settings.gateway_idle_timeout_s,
        finish_timeout_s=settings.intake_acknowledge_timeout_s + _GRACE_S,
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack, running(loop_watch):
        intake = intake_of(connection, settings, topics.location_data, topics.dead_letters)
        service = Service(
            intake,
            location_topic=topics.location_data.name,
            dead_letter_topic=topics.dead_letters.name,
            tokens=_tokens(settings),
            limits=Limits(
                max_body_bytes=settings.gateway_max_body_bytes,
                max_locations=settings.gateway_max_locations,
                max_held_bytes=settings.intake_max_in_flight_bytes,
                read_timeout_s=settings.gateway_read_timeout_s,
            ),
            metrics=GatewayMetrics(registry),
            is_alive=partial(loop_watch.finding, settings.stuck_after_s),
            openapi=json.dumps(openapi_document(VERSION)).encode(),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, _reload, service, settings)
        await stack.enter_async_context(intake)
        try:
            if settings.gateway_metrics_port:
                metrics = serving(
                    _exposing(registry), settings.web_host, settings.gateway_metrics_port, options
                )
                await stack.enter_async_context(metrics)
            host = settings.gateway_host
            port = await stack.enter_async_context(
                serving(service.handle, host, settings.gateway_port, options, tls)
            )
        except OSError as e:
            raise ConfigError(
                f"cannot listen ({e.strerror}): see SMARTBANK_GATEWAY_HOST, _PORT and _METRICS_PORT"
            ) from e
        leave_imports_alone()
        on_listening(f"http{'s' * bool(tls)}://{host}:{port}")
        await stop.wait()
        log.info("stopping; requests that have begun are answered")


def _tokens(settings: Settings) -> Tokens | None:
    if settings.gateway_token_file:
        return read_tokens(Path(settings.gateway_token_file))
    if settings.gateway_host != "localhost" and not _is_loopback(settings.gateway_host):
        raise ConfigError(
            f"anybody could send to {settings.gateway_host}: give --token-file, or listen on 127.0.0.1"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reload(service: Service, settings: Settings) -> None:
    """Take the tokens that the file holds now; where it cannot be used, those before stay."""
    try:
        service.tokens = _tokens(settings)
    except ConfigError as e:
        log.error("tokens are as they were: %s", e)  # noqa: TRY400 (one line says it)
    else:
        log.info("tokens read again")


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.gateway_cert_file and not settings.gateway_key_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(
            settings.gateway_cert_file, settings.gateway_key_file, password=_no_passphrase
        )
    except (OSError, ValueError) as e:  # ssl's errors are OSErrors
        raise ConfigError(
            "SMARTBANK_GATEWAY_CERT_FILE and SMARTBANK_GATEWAY_KEY_FILE cannot be used"
            f" ({e.strerror if isinstance(e, OSError) else e}): wanted PEM files that fit, no passphrase"
        ) from e
    return context


def _no_passphrase() -> str:
    """Called for a key that is encrypted; without it OpenSSL would wait for somebody to type."""
    raise ValueError("the key is encrypted")


def _exposing(registry: CollectorRegistry) -> Handler:
    """Answer with the metrics, whatever path is asked for."""

    async def handle(_request: web.BaseRequest) -> web.Response:
        return metrics_page(registry)

    return handle
