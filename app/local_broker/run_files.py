"""Small files under .run/: read where they are, replaced at once, seen by their owner only, locked."""

from __future__ import annotations

import fcntl
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def text_of(path: Path) -> str:
    """Return what is in a file; empty where there is none, or where its process has ended (/proc)."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def write_private(path: Path, text: str) -> None:
    """Replace a file at once; only its owner can read it, for properties can hold passwords."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Take turns with other processes, whether they end well or crash; makes the file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed, also by a crash
        yield
