"""Tokens are HMAC-SHA-256, cut to 128 bits, of kind and text."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from privacy.tokens import TokenKey, tokenizer

SECRET = bytes.fromhex("5a" * 32)
KEY = TokenKey(key_id="k1", secret=SECRET)
TOKENIZE = {kind: tokenizer(KEY, kind) for kind in ("card", "user")}


def test_a_token_is_what_openssl_computes() -> None:
    """As `openssl dgst -sha256 -mac HMAC -macopt hexkey:5a5a…` says of kind, a zero byte and number."""
    assert TOKENIZE["card"]("4000001234567899") == "k1:908081154d0cbef908dd87c7f47a1b69"
    assert TOKENIZE["user"]("4000001234567899") == "k1:b9eb5b5e5fb853a27d57c9fa37887078"


@given(st.text(max_size=40), st.text(max_size=40), st.binary(min_size=1, max_size=64))
def test_a_token_is_what_rfc_2104_says(kind: str, text: str, secret: bytes) -> None:
    """H(K xor opad, H(K xor ipad, message)), from the hash alone."""
    padded = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded) + f"{kind}\0{text}".encode()).digest()
    mac = hashlib.sha256(bytes(b ^ 0x5C for b in padded) + inner).hexdigest()
    assert tokenizer(TokenKey(key_id="x", secret=secret), kind)(text) == f"x:{mac[:32]}"


@given(st.text(max_size=20), st.text(max_size=20))
def test_equal_texts_have_equal_tokens_and_others_do_not(one: str, other: str) -> None:
    """Analysts join by token."""
    assert (TOKENIZE["card"](one) == TOKENIZE["card"](other)) == (one == other)


@given(st.text(max_size=20))
def test_kinds_are_separate(text: str) -> None:
    """A user id of the digits of a card must not give the card away."""
    assert TOKENIZE["card"](text) != TOKENIZE["user"](text)


def test_another_key_gives_another_token_that_says_so() -> None:
    """After a rotation old and new tokens can be told apart."""
    rotated = tokenizer(TokenKey(key_id="k2", secret=bytes(32)), "card")
    assert rotated("1").startswith("k2:")
    assert rotated("1").split(":")[1] != TOKENIZE["card"]("1").split(":")[1]


def test_text_that_has_no_utf8_has_a_token() -> None:
    """Half of a surrogate pair must not stop the worker."""
    assert TOKENIZE["user"]("\ud800") != TOKENIZE["user"]("\ud801")


def test_the_repr_of_a_key_hides_the_secret() -> None:
    """Settings, tracebacks and logs show reprs."""
    key = TokenKey(key_id="k1", secret=SECRET)
    assert repr(key) == f"{key}" == "TokenKey('k1')"
