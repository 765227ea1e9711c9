"""A process that outlives whoever started it, known again by its pid file."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from app.local_broker.run_files import text_of, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence

POLL_INTERVAL_S: Final = 0.05


class BrokerProcess:
    """The one process of a pid file. A pid counts only if that process's command line ends as ours does.

    Not for several threads or processes at once: callers take turns.
    """

    def __init__(self, pid_path: Path, command_end: Sequence[str]) -> None:
        self._pid_path = pid_path
        self._command_end = list(command_end)

    def pid(self) -> int | None:
        """Return the pid if it lives; the file can be stale, its number somebody else's by now."""
        text = text_of(self._pid_path).strip()
        if not text.isdecimal():
            return None
        is_ours = _command_line(int(text))[-len(self._command_end) :] == self._command_end
        return int(text) if is_ours else None

    def spawn(self, command: Sequence[str], console_path: Path) -> int:
        """Start it in a session of its own, with its output in `console_path`; note and return its pid."""
        arguments = [*command, *self._command_end]
        # Not subprocess.Popen: its object would complain about a child that is meant to outlive us.
        pid = os.posix_spawn(
            arguments[0],
            arguments,
            os.environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(console_path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        # The kernel lets us go on before it has set the child's command line, by which we know it.
        while not _command_line(pid) and os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.001)
        write_private(self._pid_path, f"{pid}\n")
        return pid

    def end(self, pid: int, stop_timeout_s: float) -> Literal["stopped", "killed"]:
        """Return when it is gone: SIGTERM, and SIGKILL after `stop_timeout_s`."""
        outcome: Literal["stopped", "killed"] = "stopped"
        _signal(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + stop_timeout_s
        while self.pid() == pid:
            if time.monotonic() > deadline_s:
                _signal(pid, signal.SIGKILL)
                outcome = "killed"
            time.sleep(POLL_INTERVAL_S)
        with suppress(ChildProcessError):  # started by an earlier command: not ours to reap
            os.waitpid(pid, os.WNOHANG)
        return outcome

    def forget(self) -> None:
        """Delete the pid file."""
        self._pid_path.unlink(missing_ok=True)


def _command_line(pid: int) -> list[str]:
    """Return the arguments of a process; empty if there is none, or only a zombie of it."""
    return text_of(Path("/proc") / str(pid) / "cmdline").split("\0")[:-1]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
