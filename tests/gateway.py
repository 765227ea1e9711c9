"""A gateway under test: a process of its own, and requests to it as phones send them."""

import http.client
import json
import signal
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

from tests.integration.commands import environment, start
from tests.pipeline import wait_until

_ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running `python -m app gateway`."""

    process: Popen[bytes]
    host: str
    port: int
    token: str
    log_path: Path
    tls: ssl.SSLContext | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own; a header `Content_Type` is `Content-Type`."""
        if self.tls:
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self.port, timeout=_ANSWER_TIMEOUT_S, context=self.tls
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=_ANSWER_TIMEOUT_S)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def push(self, body: bytes, token: str | None = None, **headers: str) -> Answer:
        """POST /location with a token, as JSON."""
        given = {"Authorization": f"Bearer {token or self.token}", "Content_Type": "application/json"}
        return self.ask("POST", "/location", body, **(given | headers))

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection((self.host, self.port), timeout=_ANSWER_TIMEOUT_S)

    def wait_ready(self) -> None:
        """Return when it has Kafka."""
        wait_until(
            lambda: self.ask("GET", "/readyz").status == 200, _ANSWER_TIMEOUT_S, "the gateway is ready"
        )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096

    def stop(self) -> int:
        """SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_ANSWER_TIMEOUT_S)


@contextmanager
def running_gateway(
    bootstrap: str,
    token_file: Path,
    token: str,
    *,
    tls: ssl.SSLContext | None = None,
    env: Mapping[str, str] | None = None,
    **settings: str,
) -> Iterator[Gateway]:
    """Start one at a free port; kill it in the end where it still runs. Its log is beside the token file."""
    log_path = token_file.parent / "gateway.log"
    full_env = {**environment(bootstrap, gateway_metrics_port="0", **settings), **(env or {})}
    with log_path.open("ab") as log:
        process = start(full_env, "gateway", "--port", "0", "--token-file", str(token_file), stderr=log)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("listening on "), log_path.read_text()
        url = urlsplit(line.removeprefix("listening on "))
        assert url.hostname
        assert url.port
        yield Gateway(process, url.hostname, url.port, token, log_path, tls)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def entry(**changes: Any) -> dict[str, Any]:
    """A location as the app sends it, taken now."""
    values = {
        "latitude": 37.33,
        "longitude": -121.89,
        "altitude": 28.5,
        "speed": 1.5,
        "bearing": -1,
        "horizontalAccuracy": 4.7,
        "verticalAccuracy": 3.5,
        "speedAccuracy": -1,
        "bearingAccuracy": -1,
    }
    return {"name": "location", "time": time.time_ns(), "values": {**values, **changes}}


def message(device_id: str, *entries: Any, message_id: int = 1) -> bytes:
    """A push of the app."""
    pushed = {"messageId": message_id, "sessionId": "s-1", "deviceId": device_id, "payload": list(entries)}
    return json.dumps(pushed).encode()
