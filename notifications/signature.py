"""Signatures by Standard Webhooks 1.0.0 (standardwebhooks.com): HMAC-SHA-256 over id, time and body. Pure."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

_PREFIX: Final = "whsec_"
_FEWEST_BYTES: Final = 24
_MOST_BYTES: Final = 64


def secrets_of(text: str) -> tuple[bytes, ...]:
    """Read secrets, one a line, as the specification writes them: whsec_ and base64 of 24 to 64 bytes.

    Raises ValueError, which quotes nothing of them.
    """
    secrets = tuple(_secret(line.strip()) for line in text.splitlines() if line.strip())
    if not secrets:
        raise ValueError("there is no secret")
    return secrets


def _secret(line: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one
        raise ValueError("a secret is no base64") from None
    if not _FEWEST_BYTES <= len(secret) <= _MOST_BYTES:
        raise ValueError(f"a secret has {len(secret)} bytes, not {_FEWEST_BYTES} to {_MOST_BYTES}")
    return secret


def signed_headers(
    secrets: Sequence[bytes], message_id: str, timestamp_s: int, body: bytes
) -> Mapping[str, str]:
    """The three headers of a request that is sent at `timestamp_s` (Unix time).

    Each secret makes a signature; a receiver is content with one that it knows: so a secret is changed
    without a pause.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signature(each, message_id, timestamp_s, body) for each in secrets),
    }


def signature(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature: v1 (symmetric) and base64."""
    mac = hmac.digest(secret, f"{message_id}.{timestamp_s}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"
