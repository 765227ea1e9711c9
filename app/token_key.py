"""The key of the card and user tokens, from its file."""

import logging
import os
import secrets
from pathlib import Path

from app.settings import RUN_DIR, Settings
from privacy.tokens import TokenKey
from streaming.errors import ConfigError

log = logging.getLogger(__name__)

_MIN_SECRET_BYTES = 32
_DEVELOPMENT_KEY = RUN_DIR / "development-token.key"


def token_key_of(settings: Settings) -> TokenKey:
    """Read the key that `settings` names; without one, make a development key once and say so."""
    if settings.token_key_file:
        return _read(Path(settings.token_key_file))
    if not _DEVELOPMENT_KEY.exists():
        _make(_DEVELOPMENT_KEY)
    log.warning(
        "tokens are made with the development key %s; set SMARTBANK_TOKEN_KEY_FILE before real data comes",
        _DEVELOPMENT_KEY,
    )
    return _read(_DEVELOPMENT_KEY)


def _read(path: Path) -> TokenKey:
    try:
        key_id, _, secret_hex = path.read_text().strip().partition(":")
        secret = bytes.fromhex(secret_hex)
    except OSError as error:
        raise ConfigError(f"the token key file {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"the token key file {path} does not hold a line KEY_ID:SECRET in hex") from None
    if not key_id or len(secret) < _MIN_SECRET_BYTES:
        raise ConfigError(
            f"the token key file {path} needs a key id and a secret of {_MIN_SECRET_BYTES} bytes or more:"
            " KEY_ID:HEX"
        )
    return TokenKey(key_id=key_id, secret=secret)


def _make(path: Path) -> None:
    """Write a new key that only its owner may read; another process that was first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(f"dev:{secrets.token_hex(_MIN_SECRET_BYTES)}\n")
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
