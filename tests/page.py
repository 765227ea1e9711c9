"""A live page under test: a process of its own, and its stream read byte by byte."""

import http.client
import json
import signal
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import quote, urlsplit

from tests.gateway import Answer
from tests.integration.commands import environment, start
from tests.pipeline import wait_until

_ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Page:
    """A running `python -m app dashboard`."""

    process: Popen[bytes]
    url: str
    log_path: Path

    def get(self, path: str, token: str = "") -> Answer:
        """One request, with a token as programs show it."""
        connection = self._connection()
        try:
            connection.request("GET", path, headers=_headers(token))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def stream(self, token: str = "", since: str = "") -> Generator[tuple[bytes, dict[str, Any]], None, None]:
        """Yield the raw bytes of each event, and what it says. Close it (contextlib.closing)."""
        connection = self._connection()
        try:
            connection.request("GET", f"/stream?since={quote(since)}", headers=_headers(token))
            response = connection.getresponse()
            assert response.status == 200
            raw = b""
            while line := response.readline():
                raw += line
                if line == b"\n":
                    if b"data: " in raw:
                        yield raw, json.loads(raw.split(b"data: ")[1])
                    raw = b""
        finally:
            connection.close()

    def wait_ready(self) -> None:
        """Return when it reads Kafka."""
        wait_until(lambda: self.get("/readyz").status == 200, _ANSWER_TIMEOUT_S, "the page is ready")

    def stop(self) -> int:
        """SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_ANSWER_TIMEOUT_S)

    def _connection(self) -> http.client.HTTPConnection:
        at = urlsplit(self.url)
        return http.client.HTTPConnection(at.hostname or "", at.port, timeout=_ANSWER_TIMEOUT_S)


@contextmanager
def running_page(bootstrap: str, folder: Path, **settings: str) -> Iterator[Page]:
    """Start one at a free port; kill it in the end where it still runs."""
    env = environment(bootstrap, **{"publisher_web_port": "0", **settings})
    log_path = folder / "page.log"
    with log_path.open("ab") as log:
        process = start(env, "dashboard", "--port", "0", stderr=log)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode()
        assert line.startswith("the live page: "), log_path.read_text()
        yield Page(process, line.removeprefix("the live page: ").strip(), log_path)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(events: Iterator[tuple[bytes, dict[str, Any]]], text: bytes, timeout_s: float = 20.0) -> bytes:
    """All that came until an event held `text`. Raises AssertionError where none does."""
    deadline_s, came = time.monotonic() + timeout_s, b""
    for raw, _ in events:
        came += raw
        if text in raw:
            return came
        assert time.monotonic() < deadline_s, f"{text!r} did not come: {came[-2000:]!r}"
    raise AssertionError(f"the stream ended before {text!r}")


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
