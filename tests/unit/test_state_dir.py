"""Each worker of a machine has a state folder of its own, and gets it back after a restart."""

import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from app.settings import PROJECT_DIR
from app.state_dir import claim_state_dir
from streaming.errors import ConfigError

_CLAIM = (
    "import sys; from pathlib import Path; from app.state_dir import claim_state_dir\n"
    "print(claim_state_dir(Path(sys.argv[1])).name, flush=True); sys.stdin.read()"
)


class Claimant:
    """A process that claims a folder below `base` and holds it until it is killed."""

    def __init__(self, base: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLAIM, str(base)],
            cwd=PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def folder(self) -> str:
        """The name of its folder."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def kill(self) -> None:
        """End it as kill -9 does: no handler runs."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def test_two_workers_that_start_together_have_different_folders(tmp_path: Path) -> None:
    """RocksDB directories cannot be shared."""
    with Claimant(tmp_path) as one, Claimant(tmp_path) as other:
        assert {one.folder, other.folder} == {"worker-0", "worker-1"}


def test_the_folder_of_a_killed_worker_is_free_again(tmp_path: Path) -> None:
    """However it ended: the next one starts from its tables instead of the whole changelog."""
    with Claimant(tmp_path) as first:
        assert first.folder == "worker-0"
        (tmp_path / "worker-0" / "table").touch()
    with Claimant(tmp_path) as second:
        assert second.folder == "worker-0"
    assert (tmp_path / "worker-0" / "table").exists()


def test_a_base_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be; root may write everywhere else."""
    base = tmp_path / "state"
    base.touch()
    with pytest.raises(ConfigError, match="worker-0 cannot be written: Not a directory"):
        claim_state_dir(base)
