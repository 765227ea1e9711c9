"""Signatures, against the specification's own vector and by hand."""

import base64
import hashlib
import hmac

import pytest

from notifications.signature import secrets_of, signature, signed_headers

# The vector of Standard Webhooks' reference implementations.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP_S, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_it_is_what_the_specification_says() -> None:
    """A receiver checks with a library that shares no code with ours."""
    (secret,) = secrets_of(SECRET)
    assert signature(secret, ID, TIMESTAMP_S, BODY) == SIGNATURE
    assert signed_headers([secret], ID, TIMESTAMP_S, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_each_secret_signs() -> None:
    """While a secret is changed, receivers know the old one or the new one."""
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    both = secrets_of(f"{other}\n\n{SECRET}\n")
    first, second = signed_headers(both, ID, TIMESTAMP_S, BODY)["webhook-signature"].split(" ")
    by_hand = hmac.new(b"o" * 32, b"%s.%d.%s" % (ID.encode(), TIMESTAMP_S, BODY), hashlib.sha256).digest()
    assert first == f"v1,{base64.b64encode(by_hand).decode()}"
    assert second == SIGNATURE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no secret"),
        ("whsec_nöt", "a secret is no base64"),
        ("whsec_c2VzYW1l", "a secret has 6 bytes"),
        (f"{SECRET}\nwhsec_sesame?", "no base64"),
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_quoted(text: str, said: str) -> None:
    """Its text would end in a log."""
    with pytest.raises(ValueError, match=said) as caught:
        secrets_of(text)
    assert "sesame" not in str(caught.value)
