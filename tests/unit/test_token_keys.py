"""The key of the tokens comes from its file; without one there is a development key, made once."""

import logging
import multiprocessing
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from app import token_keys
from app.settings import Settings
from app.token_keys import token_keys_of
from privacy.tokens import TokenKey
from streaming.errors import ConfigError

SECRET_HEX = "5a" * 32


def only_key() -> TokenKey:
    """The development key."""
    [key] = token_keys_of(Settings()).all
    return key


@pytest.fixture
def development_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the development key lies in this test."""
    path = tmp_path / "run" / "development-token.key"
    monkeypatch.setattr(token_keys, "_DEVELOPMENT_KEY", path)
    return path


@pytest.mark.parametrize("text", [f"k1:{SECRET_HEX}", f"k1:{SECRET_HEX}\n", f"  k1:{SECRET_HEX.upper()}\n\n"])
def test_a_key_file_is_one_line(text: str, tmp_path: Path) -> None:
    """Editors end lines; hex digits come in both cases."""
    path = tmp_path / "token.key"
    path.write_text(text)
    [key] = token_keys_of(Settings(token_key_file=str(path))).all
    assert (key.key_id, key.secret) == ("k1", b"\x5a" * 32)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "needs a key id and a secret of 32 bytes or more"),
        (SECRET_HEX.encode(), "needs a key id and a secret"),
        (f":{SECRET_HEX}".encode(), "needs a key id and a secret"),
        (b"k1:" + b"5a" * 31, "needs a key id and a secret of 32 bytes or more"),
        (b"k1:" + b"zz" * 32, "does not hold a line KEY_ID:SECRET in hex"),
        (b"k1:" + b"5" * 65, "does not hold a line KEY_ID:SECRET in hex"),
        (b"\xff\xfe\x00", "does not hold a line KEY_ID:SECRET in hex"),
    ],
)
def test_a_wrong_key_file_is_named_and_not_quoted(content: bytes, complaint: str, tmp_path: Path) -> None:
    """What stands in it may be most of a secret."""
    path = tmp_path / "token.key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=complaint) as refused:
        token_keys_of(Settings(token_key_file=str(path)))
    assert str(path) in str(refused.value)
    assert "5a5a" not in str(refused.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """A typo in the setting must not mean the development key."""
    with pytest.raises(ConfigError, match=r"absent\.key cannot be read: No such file"):
        token_keys_of(Settings(token_key_file=str(tmp_path / "absent.key")))


def test_the_development_key_is_made_once_and_warned_of(
    development_key: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens must be the same after a restart, and nobody may take this key for a real one."""
    with caplog.at_level(logging.WARNING):
        first, second = only_key(), only_key()
    assert first == second
    assert len(first.secret) == 32
    assert len(caplog.messages) == 2
    assert all("SMARTBANK_TOKEN_KEY_FILE" in message for message in caplog.messages)
    assert first.secret.hex() not in caplog.text
    assert [path.name for path in development_key.parent.iterdir()] == [development_key.name]


def test_the_development_key_is_readable_by_its_owner_only(development_key: Path) -> None:
    """Whoever has the key can find the cards behind the tokens by trying all numbers."""
    token_keys_of(Settings())
    assert stat.S_IMODE(development_key.stat().st_mode) == 0o600


def test_two_processes_that_start_together_get_one_key(development_key: Path) -> None:
    """Two workers on a new machine must not make different tokens of the same card."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()

    def start(together: Barrier, queue: Any) -> None:
        together.wait(30)
        queue.put(only_key().secret)

    processes = [context.Process(target=start, args=(barrier, results)) for _ in range(2)]
    for process in processes:
        process.start()
    keys = {results.get(timeout=30) for _ in processes}
    for process in processes:
        process.join(30)
    assert keys == {only_key().secret}
    assert development_key.exists()
