"""A bridge under test: a process, what it logs, and what it brought to Kafka."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.settings import PROJECT_DIR
from tests.pipeline import wait_until

_STOP_TIMEOUT_S = 30.0
_START_TIMEOUT_S = 60.0


class BridgeProcess:
    """`python -m app bridge`."""

    def __init__(self, env: Mapping[str, str], log_path: Path) -> None:
        self.log_path = log_path
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "bridge"],
                env={**os.environ, **env},
                cwd=PROJECT_DIR,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text(errors="replace")

    def wait_for(self, words: str, times: int = 1) -> None:
        """Return when it has logged this so often."""

        def said() -> bool:
            assert self.process.poll() is None, f"the bridge ended:\n{self.log[-4000:]}"
            return self.log.count(words) >= times

        wait_until(said, _START_TIMEOUT_S, f"the bridge says {words!r}")

    def kill(self) -> None:
        """Kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_TIMEOUT_S)


@contextmanager
def bridge(env: Mapping[str, str], folder: Path) -> Iterator[BridgeProcess]:
    """A bridge that is subscribed, until the end of the block."""
    running = BridgeProcess(env, folder / f"bridge-{len(list(folder.glob('bridge-*')))}.log")
    try:
        running.wait_for("subscribed to")
        yield running
    finally:
        running.kill()
