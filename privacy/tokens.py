"""Keyed tokens: the same number gives the same token, and nobody without the key gets the number back."""

import hmac
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import Literal

import msgspec

_CACHED_TOKENS = 65_536  # of each kind, some 10 MB; a customer's next transaction then costs a look-up
_MAC_BYTES = 16  # 128 bits: no two of 10^12 cards share a token with a probability above 10^-14

Kind = Literal["card", "user", "name", "device", "row"]
"""What a token stands for. `row`: a transaction's id, in rows that are published."""

Tokenize = Callable[[str], str]
TokenizeAt = Callable[[str, int], str]


class TokenKey(msgspec.Struct, frozen=True):
    """A secret for tokens, the id that stands in every token made with it, and where its period begins.

    Times are milliseconds since the epoch. `since_ms` None: there is no period before this one.
    """

    key_id: str
    secret: bytes
    since_ms: int | None = None
    made_ms: int | None = None

    def __repr__(self) -> str:
        """Shows the id only: the secret must not reach a log or a traceback."""
        return f"TokenKey({self.key_id!r})"

    @property
    def fingerprint(self) -> str:
        """Tells whether two machines hold the same secret, and nothing of it."""
        return hmac.digest(self.secret, b"fingerprint", "sha256")[:4].hex()


class TokenKeys:
    """The keys of successive periods, oldest first: a moment has one key, whenever it is asked for.

    A moment is the time at which a card was used, not the time at which that is processed: what is read or
    sent again gets the token that it had. Raises ValueError where ids or periods are not distinct.
    """

    def __init__(self, keys: Iterable[TokenKey]) -> None:
        self.all = tuple(sorted(keys, key=_since))
        if not self.all:
            raise ValueError("there is no key")
        if len({key.key_id for key in self.all}) < len(self.all):
            raise ValueError("two keys have the same id")
        for one, other in pairwise(self.all):
            if _since(one) == _since(other):
                raise ValueError(f"the periods of {one.key_id} and {other.key_id} begin at the same time")

    def at(self, time_ms: int) -> TokenKey:
        """The key of the period that `time_ms` lies in; the first one of all that was before."""
        return next((key for key in reversed(self.all) if _since(key) <= time_ms), self.all[0])

    def named(self, key_id: str) -> TokenKey | None:
        """The key with that id."""
        return next((key for key in self.all if key.key_id == key_id), None)

    def tokenizer(self, kind: Kind) -> TokenizeAt:
        """Return `tokenize(text, time_ms)`, which makes the token with the key of that moment."""
        periods = [(_since(key), tokenizer(key, kind)) for key in reversed(self.all)]
        (since_ms, newest), older = periods[0], periods[1:]
        oldest = periods[-1][1]

        def tokenize(text: str, time_ms: int) -> str:
            if time_ms >= since_ms:
                return newest(text)
            return next((make for since, make in older if since <= time_ms), oldest)(text)

        return tokenize

    def agrees_with(self, earlier: "TokenKeys", until_ms: int) -> bool:
        """Whether every moment until then has the key that it had: only the future may change."""
        return _begun(self, until_ms) == _begun(earlier, until_ms)


def tokenizer(key: TokenKey, kind: Kind) -> Tokenize:
    """Return `tokenize(text)`, which gives "KEY_ID:hex" (HMAC-SHA-256, RFC 2104, cut to 128 bits).

    `kind` separates the domains: a card number and a user id of the same digits have different tokens.
    """
    keyed = hmac.new(key.secret, f"{kind}\0".encode(), "sha256")

    def tokenize(text: str) -> str:
        mac = keyed.copy()  # not hmac.digest, which gives the interpreter's lock away each time
        mac.update(text.encode(errors="surrogatepass"))
        return f"{key.key_id}:{mac.digest()[:_MAC_BYTES].hex()}"

    # A transaction is published once: its token would never be asked for again.
    return tokenize if kind == "row" else lru_cache(maxsize=_CACHED_TOKENS)(tokenize)


def _since(key: TokenKey) -> float:
    return -inf if key.since_ms is None else key.since_ms


def _begun(keys: TokenKeys, until_ms: int) -> list[tuple[str, bytes, float]]:
    return [(key.key_id, key.secret, _since(key)) for key in keys.all if _since(key) <= until_ms]
