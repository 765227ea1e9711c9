"""Who may send: the token file and the header."""

from pathlib import Path

import pytest

from sources.gateway.tokens import Sender, Tokens, read_tokens
from streaming.errors import ConfigError

FLEET = "fleet-token-0123456789"


def tokens(folder: Path, text: str) -> Tokens:
    """Tokens of a file with this text."""
    path = folder / "tokens"
    path.write_text(text)
    return read_tokens(path)


def test_a_fleet_token_sends_for_every_device(tmp_path: Path) -> None:
    """The scheme's name is not case-sensitive (RFC 7235)."""
    known = tokens(tmp_path, f"# the fleet's\n\n{FLEET}\n")
    for header in (f"Bearer {FLEET}", f"bearer {FLEET}", f"BEARER  {FLEET}"):
        sender = known.sender(header)
        assert sender is not None
        assert sender.may_send_for("phone-1")


def test_a_devices_token_sends_for_it_alone(tmp_path: Path) -> None:
    """Device ids may hold colons, tokens may not."""
    known = tokens(tmp_path, "phone-1:0123456789abcdef\nurn:x:2:fedcba9876543210==\n")
    assert known.sender("Bearer 0123456789abcdef") == Sender("phone-1")
    second = known.sender("Bearer fedcba9876543210==")
    assert second == Sender("urn:x:2")
    assert second.may_send_for("urn:x:2")
    assert not second.may_send_for("phone-1")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Basic {FLEET}",
        FLEET,
        f"Bearer {FLEET}x",
        f"Bearer {FLEET[:-1]}",
        "Bearer é\udcff",
    ],
)
def test_anybody_else_is_nobody(tmp_path: Path, header: str | None) -> None:
    """Whatever the header holds."""
    assert tokens(tmp_path, FLEET).sender(header) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# none\n",
        "short",
        "with blank in the token",
        f"{FLEET}\nphone-1:0123456789abcdef",
        f"{FLEET}\n{FLEET}2",
        "a:0123456789abcdef\nb:0123456789abcdef",
        ":0123456789abcdef",
        "phone-1:",
        "tokén-0123456789abcdef",
    ],
)
def test_a_file_that_is_unclear_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    """An empty file must not mean that everybody may, nor a typing error that nobody knows who."""
    with pytest.raises(ConfigError) as caught:
        tokens(tmp_path, text)
    for secret in ("0123456789abcdef", FLEET, "blank"):
        assert secret not in str(caught.value)


def test_no_token_is_kept_or_shown(tmp_path: Path) -> None:
    """Not in a repr, and so in no traceback or log."""
    known = tokens(tmp_path, FLEET)
    assert FLEET not in repr(known)
    assert FLEET.encode() not in b"".join(known.senders)
