"""Connections: how many, how slow, with TLS or not, and how they end."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import msgspec
from aiohttp import web

_LINGER_S = 1.0  # so long the rest of a refused body is read, so that the client sees the answer
_READ_BUFFER_BYTES = 16_384
_BACKLOG = 1024
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ConnectionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What connections may take."""

    max_connections: int
    idle_timeout_s: float
    """From the end of a request, or the connection's beginning, to the end of the next one's headers."""
    finish_timeout_s: float
    """At the end, requests that have begun have as long to be answered."""


@asynccontextmanager
async def serving(
    handler: Handler, host: str, port: int, options: ConnectionOptions, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen, and yield the port. In the end no request begins any more; those that have are answered.

    Raises OSError where the address cannot be had.
    """
    loop = asyncio.get_running_loop()
    server = web.Server(handler)
    runner = web.ServerRunner(server, shutdown_timeout=options.finish_timeout_s)
    await runner.setup()
    logger = _silent()
    listener = await loop.create_server(
        lambda: _Connection(server, loop, logger, options),
        host,
        port,
        ssl=tls,
        ssl_handshake_timeout=options.idle_timeout_s if tls else None,
        backlog=_BACKLOG,
    )
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await runner.cleanup()


class _Connection(web.RequestHandler):
    """One connection, turned away where there are too many.

    They are counted when they are made: of those that arrive together, all are accepted before the first is.
    """

    __slots__ = ("max_connections", "server")

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        options: ConnectionOptions,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            logger=logger,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own servers turn it off
            keepalive_timeout=options.idle_timeout_s,
            lingering_time=_LINGER_S,
            read_bufsize=_READ_BUFFER_BYTES,
            auto_decompress=False,  # a small body could become a large one
        )
        self.server, self.max_connections = server, options.max_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or say that there is no room."""
        if len(self.server.connections) < self.max_connections:
            super().connection_made(transport)
            return
        self.force_close()  # so that nothing is read
        cast("asyncio.Transport", transport).write(_FULL)  # uvloop's is no subclass
        transport.close()


def _silent() -> logging.Logger:
    """Aiohttp logs what it cannot parse with a traceback that quotes it, tokens included."""
    logger = logging.Logger("gateway.http")  # noqa: LOG001 (one that nothing else configures)
    logger.addHandler(logging.NullHandler())
    return logger
