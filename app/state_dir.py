"""A folder for the tables of one worker; several workers on a machine must not share one."""

import fcntl
import os
from itertools import count
from pathlib import Path

from streaming.errors import ConfigError


def claim_state_dir(base: Path) -> Path:
    """Take the first folder worker-0, worker-1, … below `base` that no running worker holds.

    Held until the process ends, however it ends. A worker that starts again gets its folder back, unless
    another was quicker: then its tables catch up from the changelog. Raises ConfigError where `base`
    cannot be written.
    """
    for number in count():
        path = base / f"worker-{number}"
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigError(f"the state folder {path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return path  # the descriptor stays open, and with it the lock, until the process ends
    raise AssertionError
