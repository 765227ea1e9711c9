"""A new key for the periods to come, written into the key file at once."""

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from app.key_lines import key_line, time_text
from app.token_keys import new_key, read_token_keys
from privacy.tokens import TokenKey, TokenKeys
from streaming.errors import ConfigError

_DAY_MS = 24 * 60 * 60 * 1000


def rotate(path: Path, *, key_id: str | None, since_ms: int | None, now_ms: int, lead_ms: int) -> TokenKey:
    """Add a key to the file, which begins at `since_ms`, or at the first midnight (UTC) that can be had.

    No period may begin sooner than `lead_ms` from now: by then every worker must have seen the file. Where
    there is no file yet, it is made with a key for all times. Raises ConfigError.
    """
    path = path.resolve()  # a link stays a link
    try:
        with _alone(path.parent):
            if not path.exists():
                if since_ms is not None:
                    raise ConfigError(f"there is no {path} yet: its first key is for all times, without --at")
                key = new_key(_checked("k1" if key_id is None else key_id), None)
                _replace(path, f"{key_line(key)}\n")
            else:
                keys = read_token_keys(path)
                earliest_ms = now_ms + lead_ms
                since_ms = -(-earliest_ms // _DAY_MS) * _DAY_MS if since_ms is None else since_ms
                if since_ms < earliest_ms:
                    raise ConfigError(
                        f"a period cannot begin at {time_text(since_ms)}: workers would give two tokens to"
                        f" what they have seen; wanted {time_text(earliest_ms)} or later"
                    )
                key = new_key(_checked(_free_id(keys) if key_id is None else key_id), since_ms)
                _check_fits(keys, key)
                _replace(path, f"{path.read_text().rstrip()}\n{key_line(key)}\n")
    except OSError as error:
        raise ConfigError(f"the token key file {path} cannot be written: {error.strerror}") from None
    return key


def _checked(key_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", key_id):
        raise ConfigError(
            f"--id is {key_id!r}; wanted up to 32 letters, digits, dots, dashes: it stands in tokens"
        )
    return key_id


def _check_fits(keys: TokenKeys, key: TokenKey) -> None:
    try:
        TokenKeys([*keys.all, key])
    except ValueError as error:
        raise ConfigError(f"no key is added: {error}") from None


def _free_id(keys: TokenKeys) -> str:
    return next(name for n in count(len(keys.all) + 1) if keys.named(name := f"k{n}") is None)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Take turns with others who rotate; a crash ends the turn."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)  # the new name is on the disk, too
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Write the whole file anew, for its owner only: a crash leaves the old one or the new one."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileNotFoundError):  # who runs the workers must be able to read it
                owner = path.stat()
                os.chown(file.name, owner.st_uid, owner.st_gid)
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise
