"""Fields of a message that only the holder of a key can read: sealed on the device, opened by the bridge."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.fernet import Fernet, InvalidToken

SEALED = "Encrypted"
"""The field of a message that holds all of its sealed fields, as one Fernet token."""


class UnreadableSealError(ValueError):
    """A sealed field cannot be opened; the message says why, and quotes nothing."""


class FieldCipher:
    """Seals and opens fields with Fernet (AES-128-CBC, HMAC-SHA-256; github.com/fernet/spec).

    `keys`, newest first, are url-safe base64 of 32 bytes: the first one seals, all of them open. So a key is
    replaced by putting the new one first, where it opens before where it seals, and taking the old one away
    when nothing that it sealed is under way. Raises ValueError for a key that is none, and for no keys.
    """

    def __init__(self, keys: Sequence[str | bytes]) -> None:
        if not keys:
            raise ValueError("there is no key")
        try:
            self._fernets = {key_id_of(key): Fernet(key) for key in keys}
        except ValueError:
            raise ValueError("a key is not url-safe base64 of 32 bytes") from None

    def sealed(
        self, message: Mapping[str, Any], fields: Collection[str], bound_to: Collection[str]
    ) -> dict[str, Any]:
        """Return `message` with `fields` moved, as far as it has them, into one token under SEALED.

        One token, so that nobody can put fields together that were not sent together. The fields `bound_to`
        stand in it as well as in the clear: nobody can put it under another device's name.
        """
        inner = {name: value for name, value in message.items() if name in fields or name in bound_to}
        outer = {name: value for name, value in message.items() if name not in fields}
        return {**outer, SEALED: self._newest.encrypt(msgspec.json.encode(inner)).decode()}

    def opened(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return a sealed message as it was before. Raises UnreadableSealError.

        A field that stands outside as well must say the same.
        """
        return self.opened_with(message)[0]

    def opened_with(self, message: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Return the same, and the id of the key that opened it. Raises UnreadableSealError."""
        token = message.get(SEALED)
        if not isinstance(token, str):
            raise UnreadableSealError(f"{SEALED} is no text")
        try:
            text, key_id = self._decrypted(token)
        except (InvalidToken, ValueError):  # ValueError: a character that is not ASCII
            raise UnreadableSealError(
                f"{SEALED} was sealed with no key that is known here, or changed"
            ) from None
        try:
            inner = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UnreadableSealError(f"{SEALED} does not hold JSON") from None
        if not isinstance(inner, dict):
            raise UnreadableSealError(f"{SEALED} does not hold fields")
        outer = {name: value for name, value in message.items() if name != SEALED}
        for name in outer.keys() & inner.keys():
            if outer[name] != inner[name]:
                raise UnreadableSealError(f"{SEALED} was sealed for a message with another {name}")
        return {**outer, **inner}, key_id

    @property
    def _newest(self) -> Fernet:
        return next(iter(self._fernets.values()))

    def _decrypted(self, token: str) -> tuple[bytes, str]:
        """The text in a token and the id of its key. Raises InvalidToken, as MultiFernet would."""
        for key_id, fernet in self._fernets.items():
            try:
                return fernet.decrypt(token), key_id
            except InvalidToken:
                continue
        raise InvalidToken


def key_id_of(key: str | bytes) -> str:
    """A name for a key, for an audit log: of its 32 random bytes it tells nothing."""
    return sha256(key.encode() if isinstance(key, str) else key).hexdigest()[:8]
