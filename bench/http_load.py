"""A process of its own that pushes as phones do, over connections that stay open, and tells the outcome.

`python -m bench.http_load PORT RATE_PER_S SECONDS CONNECTIONS FILE`; rate 0: each connection sends again when
it is answered. At a rate, a push is late from the moment when it was due, whoever kept it waiting.
"""

import asyncio
import sys
import time
from collections import deque
from pathlib import Path

import msgspec
import uvloop

from bench.load import device_id

_DEVICES = 10_000
_TICK_S = 0.001
_LAST_WAIT_S = 30.0
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"Content-Length: "


class Outcome(msgspec.Struct):
    """What came of the pushes. Latencies are of those that were answered with 2xx."""

    latencies_ms: list[float]
    accepted: list[int]
    """Message ids."""
    statuses: dict[int, int]
    unanswered: int
    elapsed_s: float


class _Load:
    """Pushes that are due, connections that are free, and the outcome."""

    def __init__(self, *, is_paced: bool) -> None:
        self.outcome = Outcome([], [], {}, 0, 0.0)
        self.is_over = False
        self._is_paced = is_paced
        self._due: deque[tuple[int, float]] = deque()
        self._free: list[_Connection] = []
        self._number = 0

    def push(self, due_s: float) -> None:
        """Let a push be due."""
        self._due.append((self._number, due_s))
        self._number += 1
        if self._free:
            self._free.pop().send(*self._due.popleft())

    def is_free(self, connection: "_Connection") -> None:
        """Give a connection something to do."""
        if self.is_over:
            return
        if self._due:
            connection.send(*self._due.popleft())
        elif self._is_paced:
            self._free.append(connection)
        else:
            connection.send(self._number, time.perf_counter())
            self._number += 1


class _Connection(asyncio.Protocol):
    """One phone's connection: a request, its answer, the next."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._buffer = b""
        self._sent: tuple[int, float] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.is_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._load.outcome.unanswered += self._sent is not None
        self._sent = None

    @property
    def is_busy(self) -> bool:
        return self._sent is not None

    def send(self, number: int, due_s: float) -> None:
        self._sent = number, due_s
        self._transport.write(request(number))  # type: ignore[attr-defined]  # uvloop's is no WriteTransport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(_HEAD_END)
        if not end:
            return
        _, has_length, rest = head.partition(_LENGTH)
        if has_length and len(body) < int(rest.partition(b"\r\n")[0]):
            return
        self._buffer = b""
        (number, due_s), self._sent = self._sent or (0, 0.0), None
        outcome, status = self._load.outcome, int(head[9:12])
        outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
        if status < 300:
            outcome.latencies_ms.append((time.perf_counter() - due_s) * 1000)
            outcome.accepted.append(number)
        self._load.is_free(self)


def request(number: int) -> bytes:
    """A push of one fix, as the app sends it."""
    body = (
        b'{"messageId":%d,"sessionId":"5bd86d40-fc89-1b4a-6a50-df4db4d66a3a","deviceId":"%b","payload":'
        b'[{"name":"location","time":%d,"values":{"altitude":30.1,"speedAccuracy":0.5,"bearingAccuracy":-1,'
        b'"latitude":37.3359035,"altitudeAboveMeanSeaLevel":60.2,"bearing":-1,"horizontalAccuracy":4.7,'
        b'"verticalAccuracy":3.5,"longitude":-121.8952828,"speed":1.25}}]}'
    ) % (number, device_id(number % _DEVICES).encode(), time.time_ns())
    return (
        b"POST /location HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer bench-token-0123456789\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    ) % (len(body), body)


async def load(port: int, rate_per_s: int, seconds: float, connections: int) -> Outcome:
    """Push for that long; return when all is answered, or nothing comes for long."""
    loop = asyncio.get_running_loop()
    pushes = _Load(is_paced=rate_per_s > 0)
    begin_s = time.perf_counter()
    opened = [
        (await loop.create_connection(lambda: _Connection(pushes), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    first_s, count = time.perf_counter(), 0
    while (elapsed_s := time.perf_counter() - first_s) < seconds:
        while rate_per_s and count <= elapsed_s * rate_per_s:
            pushes.push(first_s + count / rate_per_s)
            count += 1
        await asyncio.sleep(_TICK_S)
    pushes.is_over = True
    pushes.outcome.elapsed_s = time.perf_counter() - begin_s
    deadline_s = time.perf_counter() + _LAST_WAIT_S
    while any(connection.is_busy for connection in opened) and time.perf_counter() < deadline_s:  # noqa: ASYNC110
        await asyncio.sleep(_TICK_S)
    pushes.outcome.unanswered += sum(connection.is_busy for connection in opened)
    return pushes.outcome


def main() -> None:
    """Push as the arguments say."""
    port, rate_per_s, seconds, connections, told = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(load(int(port), int(rate_per_s), float(seconds), int(connections)))
    Path(told).write_bytes(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
