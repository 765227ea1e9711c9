"""A server of this machine for tests and the demo: fetched once, started, stopped, started again on its data.

Linux. Everything is bound to 127.0.0.1. What is fetched or built lies outside the checkout, for all clones.
"""

from __future__ import annotations

import os
import tempfile
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from app.local_broker.config import HOST, LocalServerError, any_free_port, port_problem
from app.local_broker.jars import Progress, last_words
from app.local_broker.process import POLL_INTERVAL_S, BrokerProcess
from app.local_broker.run_files import locked, text_of, write_private

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_dir() -> Path:
    """Where what was fetched or built is kept: XDG_CACHE_HOME (freedesktop.org), else ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smart-bank-streams"


class LocalServer(ABC):
    """One server in one data directory, in a process of its own that outlives ours.

    In `data_dir`: the server's data, pid, port, server.log. All that goes wrong is a LocalServerError.
    """

    name: ClassVar[str]
    """For people, with its version."""
    start_timeout_s: ClassVar[float] = 60.0

    def __init__(self, data_dir: Path, *, progress: Progress = lambda _doing: None) -> None:
        self.data_dir = data_dir.resolve()
        self.log_path = self.data_dir / "server.log"
        self.progress = progress
        self._port_path = self.data_dir / "port"

    @abstractmethod
    def fetch(self) -> None:
        """Get what it takes to run it, unless it is there."""

    @abstractmethod
    def _command(self, port: int) -> tuple[list[str], list[str]]:
        """What starts it, in two parts; the second one is a mark of this very server."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether it does what it is for."""

    def _set_up(self) -> None:  # noqa: B027 (most need nothing)
        """Make users and the like, at every start."""

    @property
    def port(self) -> int:
        """The port that it has, or had."""
        text = text_of(self._port_path).strip()
        if not text:
            raise LocalServerError(f"{self.name} was never started in {self.data_dir}")
        return int(text)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process; None where it does not run."""
        return self._process().pid() if self._port_path.exists() else None

    def start(self) -> str:
        """Return its URL when it is ready; one that runs already is left as it is.

        A restart keeps the data and, where it is free, the port; kill -9 before it does no harm.
        """
        self.fetch()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.data_dir / "lock"):
            if self.pid is None:
                self._launch()
        return self.url

    def stop(self, *, stop_timeout_s: float = 20.0) -> None:
        """Return when the process is gone: SIGTERM, and SIGKILL after `stop_timeout_s`. The data stay."""
        if self._port_path.exists():
            with locked(self.data_dir / "lock"):
                if (pid := self.pid) is not None:
                    self._process().end(pid, stop_timeout_s)
                self._process().forget()

    @classmethod
    @contextmanager
    def running(cls, data_dir: Path) -> Iterator[Self]:
        """One that is stopped at the end."""
        server = cls(data_dir)
        try:
            server.start()
            yield server
        finally:
            server.stop()

    def _process(self) -> BrokerProcess:
        return BrokerProcess(self.data_dir / "pid", self._command(self.port)[1])

    def _launch(self) -> None:
        before = int(text_of(self._port_path).strip() or 0)
        port = before if before and not port_problem(before) else any_free_port()
        write_private(self._port_path, f"{port}\n")
        self.progress(f"waiting for {self.name}")
        process = self._process()
        pid = process.spawn(self._command(port)[0], self.log_path)
        try:
            self._wait_until_ready(process, pid)
            self._set_up()
        except BaseException:  # Ctrl-C too: nobody would know of a server that nobody waited for
            process.end(pid, stop_timeout_s=5.0)
            raise

    def _wait_until_ready(self, process: BrokerProcess, pid: int) -> None:
        deadline_s = time.monotonic() + self.start_timeout_s
        while not self._is_ready():
            if process.pid() != pid:
                raise LocalServerError(
                    f"{self.name} ended while it started: {last_words(text_of(self.log_path))}"
                )
            if time.monotonic() > deadline_s:
                words = last_words(text_of(self.log_path))
                raise LocalServerError(f"{self.name} is not ready after {self.start_timeout_s:g} s: {words}")
            time.sleep(POLL_INTERVAL_S)

    def answer(self, path: str, body: bytes | None = None, *, timeout_s: float = 5.0) -> bytes | None:
        """What it answers with a status of 2xx; None where it does not (yet)."""
        request = urllib.request.Request(self.url + path, data=body)  # noqa: S310 (http, to ourselves)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
                content: bytes = response.read()
        except (OSError, urllib.error.URLError):
            return None
        return content


@contextmanager
def made_at_once(target: Path) -> Iterator[Path]:
    """A folder beside `target` to make it in; renamed to it at the end, unless an error ends that.

    Half of it must not look like all of it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        yield made
        made.rename(target)
