"""Where a command writes what it makes."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Final

from streaming.errors import ConfigError

STDOUT: Final = Path("-")


def writable(path: Path | None) -> AbstractContextManager[IO[bytes]]:
    """The file to write, - for standard output; None: what is written is dropped. Raises ConfigError."""
    if path == STDOUT:
        return nullcontext(sys.stdout.buffer)
    try:
        return (path or Path(os.devnull)).open("wb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
