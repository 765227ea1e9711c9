"""Tokens are HMAC-SHA-256, cut to 128 bits, of kind and text."""

import hashlib
import re
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.tokens import Kind, TokenKey, TokenKeys, tokenizer

SECRET = bytes.fromhex("5a" * 32)
KEY = TokenKey(key_id="k1", secret=SECRET)
KINDS: tuple[Kind, ...] = ("card", "user")
TOKENIZE = {kind: tokenizer(KEY, kind) for kind in KINDS}


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
    assert tokenizer(TokenKey(key_id="x", secret=secret), cast("Kind", kind))(text) == f"x:{mac[:32]}"


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


def keys_since(*since_ms: int | None) -> TokenKeys:
    """Keys k0, k1, … of periods that begin then."""
    return TokenKeys(TokenKey(f"k{n}", bytes([n]) * 32, since) for n, since in enumerate(since_ms))


@given(st.lists(st.integers(-100, 100), unique=True, min_size=1, max_size=5), st.integers(-120, 120))
def test_a_moment_has_the_key_that_began_last_before_it(begins: list[int], time_ms: int) -> None:
    """In whatever order the file has them; what was before all periods has the first key."""
    keys = keys_since(*begins)
    ahead = [since for since in begins if since <= time_ms]
    wanted = f"k{begins.index(max(ahead, default=min(begins)))}"
    assert keys.at(time_ms).key_id == wanted
    assert keys.tokenizer("card")("1", time_ms) == tokenizer(keys.at(time_ms), "card")("1")
    assert keys.tokenizer("card")("1", time_ms).startswith(f"{wanted}:")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-100, 100)), max_size=20), st.randoms())
def test_a_rotation_changes_no_token_of_before_and_links_within_a_period(
    uses: list[tuple[str, int]], random: Random
) -> None:
    """Whoever reads again, in any order, after the rotation or before it, gets the same tokens."""
    old, new = keys_since(None).tokenizer("card"), keys_since(None, 0).tokenizer("card")
    before = {use: old(*use) for use in uses if use[1] < 0}
    random.shuffle(uses)
    after = {use: new(*use) for use in uses}
    assert before.items() <= after.items()
    for (one, one_ms), token in after.items():
        for (other, other_ms), another in after.items():
            same_period = (one_ms < 0) == (other_ms < 0)
            assert (token == another) == (one == other and same_period)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ([], "there is no key"),
        ([TokenKey("a", SECRET), TokenKey("a", SECRET, 5)], "same id"),
        ([TokenKey("a", SECRET), TokenKey("b", SECRET)], "the periods of a and b begin at the same time"),
        ([TokenKey("a", SECRET, 5), TokenKey("b", SECRET, 5)], "begin at the same time"),
    ],
)
def test_keys_that_leave_a_moment_in_doubt_are_refused(keys: list[TokenKey], complaint: str) -> None:
    """Two workers might take another one each."""
    with pytest.raises(ValueError, match=complaint):
        TokenKeys(keys)


def test_only_the_future_may_change() -> None:
    """A key for later is welcome; a new beginning, secret or gap for what was is not."""
    begun = keys_since(None, 10)
    assert keys_since(None, 10, 21).agrees_with(begun, 20)
    assert begun.agrees_with(keys_since(None, 10, 21), 20)
    assert not keys_since(None, 10, 20).agrees_with(begun, 20)
    assert not keys_since(None).agrees_with(begun, 20)
    assert not keys_since(None, 11).agrees_with(begun, 20)
    assert not TokenKeys([begun.all[0], TokenKey("k1", SECRET, 10)]).agrees_with(begun, 20)


def test_a_fingerprint_tells_secrets_apart_and_not_ids() -> None:
    """Eight hex digits of a MAC: nothing of the secret."""
    assert KEY.fingerprint == TokenKey("other", SECRET).fingerprint
    assert KEY.fingerprint != TokenKey("k1", bytes(32)).fingerprint
    assert re.fullmatch("[0-9a-f]{8}", KEY.fingerprint)
