"""The keys of the tokens, from their file or the environment; a worker sees when the file changes."""

import logging
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from app.key_lines import KeyLineError, key_line, read_key_lines
from app.settings import RUN_DIR, Settings
from privacy.tokens import Kind, TokenizeAt, TokenKey, TokenKeys
from streaming.errors import ConfigError

log = logging.getLogger(__name__)

LOOK_PERIOD_S = 10.0
_SECRET_BYTES = 32
_DEVELOPMENT_KEY = RUN_DIR / "development-token.key"


def token_keys_of(settings: Settings) -> TokenKeys:
    """Read the keys that `settings` name; without any, make a development key once and say so."""
    if settings.token_keys:
        if settings.token_key_file:
            raise ConfigError("SMARTBANK_TOKEN_KEYS and SMARTBANK_TOKEN_KEY_FILE are both set; one is wanted")
        return _parse(settings.token_keys.replace(";", "\n"), "SMARTBANK_TOKEN_KEYS")
    path = token_key_path(settings)
    if not settings.token_key_file:
        if not path.exists():
            _make(path)
        log.warning(
            "tokens are made with the development key %s; set SMARTBANK_TOKEN_KEY_FILE before real data"
            " comes",
            path,
        )
    return read_token_keys(path)


def token_key_path(settings: Settings) -> Path:
    """The file with the keys; it need not exist where the setting is empty."""
    return Path(settings.token_key_file) if settings.token_key_file else _DEVELOPMENT_KEY


def read_token_keys(path: Path) -> TokenKeys:
    """Read a key file. Raises ConfigError, which quotes nothing of it."""
    where = f"the token key file {path}"
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{where} does not hold a line KEY_ID:SECRET in hex") from None
    return _parse(text, where)


class LiveTokens:
    """Tokens with the keys as they are in the file now, for a process that runs for months.

    `refresh`, called now and then, takes what was added for the future. A file that is wrong, or that
    would change the key of a moment until the last look at it, is logged as an error and not taken: the same
    transaction must not get two tokens. `ahead_s`: event times may be ahead of our clock by as much.
    """

    def __init__(
        self, settings: Settings, *, ahead_s: float = 0.0, clock_s: Callable[[], float] = time.time
    ) -> None:
        self._path = None if settings.token_keys else token_key_path(settings)
        self._seen = self._stamp()  # before it is read: a change in between is seen the next time
        self.keys = token_keys_of(settings)
        self._ahead_s, self._clock_s = ahead_s, clock_s
        self._looked_s = clock_s()
        self._tokenizers: dict[Kind, TokenizeAt] = {}

    def tokenizer(self, kind: Kind) -> TokenizeAt:
        """Return `tokenize(text, time_ms)`, which follows the file."""
        tokenizers = self._tokenizers
        tokenizers[kind] = self.keys.tokenizer(kind)

        def tokenize(text: str, time_ms: int) -> str:
            return tokenizers[kind](text, time_ms)

        return tokenize

    def refresh(self) -> None:
        """Look whether the file has changed. Raises nothing; costs one stat where it has not."""
        # Up to the last look, not up to now: who slept over a rotation has given no token since.
        begun_ms = round((self._looked_s + self._ahead_s) * 1000)
        self._looked_s = self._clock_s()
        stamp = self._stamp()
        if self._path is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            keys = read_token_keys(self._path)
        except ConfigError as error:
            log.error("the token keys stay as they were: %s", error)  # noqa: TRY400 (a traceback says no more)
            return
        if not keys.agrees_with(self.keys, begun_ms):
            log.error("the token keys stay as they were: %s changes a period that has begun", self._path)
            return
        self.keys = keys
        self._tokenizers.update({kind: keys.tokenizer(kind) for kind in self._tokenizers})
        log.info("token keys are now %s", ", ".join(key.key_id for key in keys.all))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return stat and (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def new_key(key_id: str, since_ms: int | None) -> TokenKey:
    """A key with a fresh secret, made now."""
    return TokenKey(key_id, secrets.token_bytes(_SECRET_BYTES), since_ms, round(time.time()) * 1000)


def _parse(text: str, where: str) -> TokenKeys:
    try:
        return TokenKeys(read_key_lines(text, _SECRET_BYTES))
    except KeyLineError as error:
        raise ConfigError(f"{where} {error}") from None
    except ValueError as error:
        raise ConfigError(f"{where} cannot be used: {error}") from None


def _make(path: Path) -> None:
    """Write a new key that only its owner may read; another process that was first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(f"{key_line(new_key('dev', None))}\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
