"""Worker processes under measurement."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import PREFIX, PROJECT_DIR
from bench.site import Site

READY = "Worker ready"  # Faust's words, when tables are restored and inputs are read from then on

DETECTOR = (sys.executable, "-m", "app", "worker", "detector")
JOIN = (sys.executable, "-m", "bench.join")
IDIOMATIC = (sys.executable, "-m", "faust", "-A", "bench.idiomatic", "worker", "-l", "info", "--without-web")

_STOP_TIMEOUT_S = 20.0
_LOG_POLL_S = 0.005


def fresh_app_id(name: str) -> str:
    """A consumer group and topic prefix that nobody had before."""
    return f"bench-{name}-{uuid.uuid4().hex[:8]}"


def environment(where: Site, app_id: str, store: str, **settings: str) -> dict[str, str]:
    """Settings of a worker, all others at their defaults whatever the shell has set."""
    return {
        f"{PREFIX}APP_ID": app_id,
        f"{PREFIX}KAFKA_BOOTSTRAP": where.bootstrap,
        f"{PREFIX}STORE": store,
        f"{PREFIX}STATE_DIR": str(where.folder / f"state-{app_id}"),
        **{PREFIX + name.upper(): value for name, value in settings.items()},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process under measurement, and the file that holds all it says."""

    process: subprocess.Popen[bytes]
    log_path: Path
    started_s: float

    @property
    def log(self) -> str:
        """What it said so far."""
        return self.log_path.read_text(errors="replace")

    def wait_for(self, words: str, timeout_s: float = 120.0) -> None:
        """Return within milliseconds of its saying so. Raises RuntimeError where it ends or never does."""
        deadline_s = time.monotonic() + timeout_s
        while words not in self.log:
            self.check()
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"never said {words!r}: {self.log[-2000:]}")
            time.sleep(_LOG_POLL_S)

    def check(self) -> None:
        """Raise RuntimeError where it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"ended with status {self.process.returncode}: {self.log[-2000:]}")


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], where: Site, name: str) -> Iterator[Worker]:
    """A worker process until the end of the block."""
    log_path = where.folder / f"{name}-{uuid.uuid4().hex[:8]}.log"
    plain = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    with log_path.open("wb") as log:
        started_s = time.monotonic()
        process = subprocess.Popen(
            list(command), cwd=PROJECT_DIR, env={**plain, **env}, stdout=log, stderr=log
        )
    try:
        yield Worker(process=process, log_path=log_path, started_s=started_s)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
