"""What docs/notifications.md tells receivers, done."""

import re
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from app.settings import PROJECT_DIR
from notifications.notice import Notice
from notifications.payloads import webhook_body
from notifications.signature import secrets_of, signed_headers
from tests.notifications import SECRET

TEXT = (PROJECT_DIR / "docs" / "notifications.md").read_text()
BODY = b'{"type":"transaction.flagged"}'


def block(language: str) -> str:
    """The only block of code in that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def is_genuine() -> Callable[..., bool]:
    """The function that a receiver copies."""
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102 (our own page)
    found: Callable[..., bool] = names["is_genuine"]
    return found


def test_a_receiver_knows_what_we_send(is_genuine: Callable[..., bool]) -> None:
    """And nothing else: another body, secret, id, or an old message."""
    now_s = int(time.time())
    headers = dict(signed_headers(secrets_of(SECRET), "msg_1", now_s, BODY))
    assert is_genuine(SECRET, headers, BODY)
    assert not is_genuine(SECRET, headers, BODY + b" ")
    assert not is_genuine("whsec_" + "A" * 44, headers, BODY)
    assert not is_genuine(SECRET, headers | {"webhook-id": "msg_2"}, BODY)
    assert not is_genuine(SECRET, headers | {"webhook-timestamp": str(now_s + 1)}, BODY)
    assert not is_genuine(SECRET, dict(signed_headers(secrets_of(SECRET), "msg_1", now_s - 301, BODY)), BODY)
    other = "whsec_" + "B" * 43 + "="
    both = dict(signed_headers(secrets_of(f"{other}\n{SECRET}"), "msg_1", now_s, BODY))
    assert is_genuine(SECRET, both, BODY)
    assert is_genuine(other, both, BODY)


def test_the_example_is_a_notice() -> None:
    """With every field that a flagged transaction has, as we write it."""
    example = msgspec.json.decode(block("json"))
    notice = msgspec.convert(example["data"], Notice)
    assert msgspec.json.decode(webhook_body(notice)) == example
