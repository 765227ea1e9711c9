"""Files that settings name."""

from pathlib import Path

from streaming.errors import ConfigError


def readable_file(path: str, setting: str) -> Path:
    """The file that `setting` names. Raises ConfigError where it is none, or not for us."""
    if not path:
        raise ConfigError(f"{setting} is empty; wanted the name of a file")
    try:
        with Path(path).open("rb"):
            return Path(path)
    except OSError as e:
        raise ConfigError(f"{setting} is {path!r}, which cannot be read: {e.strerror}") from e
