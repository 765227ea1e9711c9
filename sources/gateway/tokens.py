"""Who may send: bearer tokens (RFC 6750), one for the whole fleet or one for each device."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streaming.errors import ConfigError

_SCHEME = "bearer "
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1
_SHORTEST = 16
_NOBODY = b"\0" * 32


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever showed a token. `device_id` None: may send for every device."""

    device_id: str | None

    def may_send_for(self, device_id: str) -> bool:
        """Whether a message of this device may be theirs."""
        return self.device_id is None or self.device_id == device_id


ANYONE = Sender(None)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by a digest under a key that only this process has, so that the time of a look-up tells nothing.

    Shows no token in its repr, and keeps none.
    """

    senders: Mapping[bytes, Sender] = field(repr=False)
    digest_key: bytes = field(repr=False)

    def sender(self, authorization: str | None) -> Sender | None:
        """Return who sends with this header; None: nobody that we know. All take the same time."""
        scheme, token = (authorization or "")[: len(_SCHEME)], (authorization or "")[len(_SCHEME) :]
        digest = _digest(self.digest_key, token.strip())
        sender = self.senders.get(digest)
        # The dictionary has compared already, at the end of a walk that nobody outside can steer.
        is_known = hmac.compare_digest(digest if sender else _NOBODY, digest)
        return sender if is_known and scheme.lower() == _SCHEME else None


def read_tokens(path: Path) -> Tokens:
    """Read a file of one fleet token, or of lines `device_id:token`; blank lines and # comments are skipped.

    Raises ConfigError that names the line, never the token.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"the token file {path} cannot be read: {type(e).__name__}") from None
    key = secrets.token_bytes(32)
    senders: dict[bytes, Sender] = {}
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        device_id, colon, token = line.rpartition(":")
        if len(token) < _SHORTEST or not _TOKEN.fullmatch(token) or (colon and not device_id):
            raise ConfigError(
                f"{path}, line {number}: wanted a token of {_SHORTEST} or more of A-Z a-z 0-9 . _ ~ + / -,"
                " or device_id:token"
            )
        digest = _digest(key, token)
        if digest in senders:
            raise ConfigError(f"{path}, line {number}: this token stands there twice")
        senders[digest] = Sender(device_id) if colon else ANYONE
    if not senders:
        raise ConfigError(f"{path} holds no token: wanted one, or lines device_id:token")
    if ANYONE in senders.values() and len(senders) > 1:
        raise ConfigError(f"{path} holds a fleet token and more: wanted one, or lines device_id:token")
    return Tokens(senders, key)


def _digest(key: bytes, token: str) -> bytes:
    return hmac.digest(key, token.encode("utf-8", "surrogateescape"), "sha256")
