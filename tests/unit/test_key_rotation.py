"""A rotation adds a period to come; workers that run take it, and nothing that has begun changes."""

import logging
import multiprocessing
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.keys import keys_app
from app.key_lines import key_line, read_key_lines, time_ms_of
from app.key_rotation import rotate
from app.settings import Settings
from app.token_keys import LiveTokens, read_token_keys, token_keys_of
from models.times import parse_time
from privacy.tokens import TokenKey
from streaming.errors import ConfigError

SECRET_HEX = "5a" * 32
NOW_MS = time_ms_of(parse_time("2026-11-23T00:40:00Z"))
MIDNIGHT_MS = time_ms_of(parse_time("2026-11-24T00:00:00Z"))
LEAD_MS = 320_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A key file of one line, as every version has read it."""
    path = tmp_path / "token.key"
    path.write_text(f"k1:{SECRET_HEX}\n")
    return path


def rotated(path: Path, *, key_id: str | None = None, since_ms: int | None = None) -> TokenKey:
    """The key that a rotation at 00:40 adds."""
    return rotate(path, key_id=key_id, since_ms=since_ms, now_ms=NOW_MS, lead_ms=LEAD_MS)


def test_a_rotation_begins_at_the_next_midnight_and_keeps_the_old_key(path: Path) -> None:
    """The old line stands as it was, comments too; the file is for its owner only."""
    path.write_text(f"# ours\nk1:{SECRET_HEX}")
    key = rotated(path)
    assert (key.key_id, key.since_ms) == ("k2", MIDNIGHT_MS)
    assert path.read_text().startswith(f"# ours\nk1:{SECRET_HEX}\nk2:")
    assert " from 2026-11-24T00:00:00Z made 20" in path.read_text()
    assert read_token_keys(path).all == (TokenKey("k1", bytes.fromhex(SECRET_HEX)), key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [*path.parent.iterdir()] == [path]


def test_a_midnight_that_is_too_near_is_left_to_the_next(path: Path) -> None:
    """Workers must have seen the file before it counts."""
    late_ms = MIDNIGHT_MS - LEAD_MS + 1
    key = rotate(path, key_id=None, since_ms=None, now_ms=late_ms, lead_ms=LEAD_MS)
    assert key.since_ms == MIDNIGHT_MS + 86_400_000


def test_the_first_rotation_makes_the_file(tmp_path: Path) -> None:
    """With one key, for all times."""
    path = tmp_path / "keys" / "token.key"
    key = rotated(path)
    assert (key.key_id, key.since_ms, len(key.secret)) == ("k1", None, 32)
    assert read_token_keys(path).all == (key,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("key_id", "since_ms", "complaint"),
    [
        (None, NOW_MS, "cannot begin at 2026-11-23T00:40:00Z.*wanted 2026-11-23T00:45:20Z or later"),
        ("k1", None, "the same id"),
        ("k 2", None, "--id is 'k 2'"),
        ("", None, "--id is ''"),
        ("k:2", None, "--id is 'k:2'"),
    ],
)
def test_a_rotation_that_would_change_tokens_is_refused(
    path: Path, key_id: str | None, since_ms: int | None, complaint: str
) -> None:
    """And the file stays as it is."""
    before = path.read_text()
    with pytest.raises(ConfigError, match=complaint):
        rotated(path, key_id=key_id, since_ms=since_ms)
    assert path.read_text() == before


def test_a_second_rotation_for_the_same_midnight_is_refused(path: Path) -> None:
    """Somebody pressed the key twice."""
    rotated(path)
    with pytest.raises(ConfigError, match="k2 and k3 begin at the same time"):
        rotated(path)


def test_rotations_at_once_lose_no_key(path: Path) -> None:
    """Each takes its turn."""
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=rotated, args=(path,), kwargs={"since_ms": MIDNIGHT_MS + n}) for n in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert {key.key_id for key in read_token_keys(path).all} == {"k1", "k2", "k3", "k4", "k5"}


def test_a_key_survives_its_line() -> None:
    """To the millisecond, and before 1970."""
    keys = [TokenKey("k1", bytes(32)), TokenKey("k2", b"\1" * 32, -1, 5), TokenKey("k3", b"\2" * 33, 60_000)]
    assert [*read_key_lines("\n".join(map(key_line, keys)), 32)] == keys


@pytest.mark.parametrize(
    "line",
    [
        f"k1:{SECRET_HEX} from",
        f"k1:{SECRET_HEX} from tomorrow",
        f"k1:{SECRET_HEX} until 2026-12-01T00:00:00Z",
        f"k1:{SECRET_HEX} from 2026-12-01T00:00:00Z from 2026-12-02T00:00:00Z",
        f"k1:{SECRET_HEX} 2026-12-01T00:00:00Z",
        f"k1:{SECRET_HEX}\nk1:{SECRET_HEX} from 2026-12-01T00:00:00Z",
        f"k1:{SECRET_HEX}\nk2:{SECRET_HEX}",
    ],
)
def test_a_wrong_line_is_refused_and_not_quoted(line: str, path: Path) -> None:
    """A period that is not understood must not be taken for none."""
    path.write_text(line)
    with pytest.raises(ConfigError, match=str(path)) as refused:
        read_token_keys(path)
    assert SECRET_HEX not in str(refused.value)


def test_a_worker_takes_a_new_key_without_a_restart(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From its period on; what was before keeps its token."""
    tokens = live_tokens(path)
    tokenize = tokens.tokenizer("card")
    before = tokenize("4000", MIDNIGHT_MS - 1)
    key = rotated(path)
    with caplog.at_level(logging.INFO):
        tokens.refresh()
        tokens.refresh()
    assert tokenize("4000", MIDNIGHT_MS - 1) == before
    assert tokenize("4000", MIDNIGHT_MS).startswith("k2:")
    assert caplog.messages == ["token keys are now k1, k2"]
    assert key.secret.hex() not in caplog.text


def test_a_worker_that_slept_over_a_rotation_takes_it(path: Path) -> None:
    """It has given no token since; to stay with the old key would part it from the others for good."""
    now_s = [NOW_MS / 1000]
    tokens = LiveTokens(Settings(token_key_file=str(path)), ahead_s=300.0, clock_s=lambda: now_s[0])
    tokenize = tokens.tokenizer("card")
    rotated(path)
    now_s[0] += 86_400.0
    tokens.refresh()
    assert tokenize("4000", MIDNIGHT_MS).startswith("k2:")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "needs a key id|does not hold"),
        (f"k1:{'77' * 32}", "changes a period that has begun"),
        (f"k1:{SECRET_HEX}\nk2:{'77' * 32} from 2026-11-23T00:44:59Z", "changes a period that has begun"),
        (None, "cannot be read"),
    ],
)
def test_a_worker_keeps_its_keys_where_the_file_would_change_the_past(
    text: str | None, complaint: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and goes on."""
    tokens = live_tokens(path)
    tokenize = tokens.tokenizer("card")
    before = tokenize("4000", NOW_MS)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    tokens.refresh()
    tokens.refresh()
    assert tokenize("4000", NOW_MS) == before
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "stay as they were" in record.message
    assert re.search(complaint, record.message)
    assert "77" * 32 not in caplog.text


def live_tokens(path: Path) -> LiveTokens:
    """The tokens of a worker whose clock says 00:40 and which accepts times up to five minutes ahead."""
    return LiveTokens(Settings(token_key_file=str(path)), ahead_s=300.0, clock_s=lambda: NOW_MS / 1000)


def test_keys_may_come_from_the_environment() -> None:
    """Where secrets are handed out as variables."""
    text = f"k1:{SECRET_HEX};k2:{'77' * 32} from 2026-12-01T00:00:00Z"
    settings = Settings.from_env({"SMARTBANK_TOKEN_KEYS": text})
    assert [key.key_id for key in token_keys_of(settings).all] == ["k1", "k2"]
    assert SECRET_HEX not in repr(settings)
    with pytest.raises(ConfigError, match="both set"):
        token_keys_of(Settings(token_keys=text, token_key_file="x"))


def test_the_commands_show_periods_and_no_secret(path: Path) -> None:
    """`rotate`, then `list`, as an operator runs them."""
    env = {"SMARTBANK_TOKEN_KEY_FILE": str(path)}
    done = CliRunner().invoke(keys_app, ["rotate", "--at", "2126-12-01", "--id", "century"], env=env)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("century from 2126-12-01T00:00:00Z, fingerprint ")
    listed = CliRunner().invoke(keys_app, ["list"], env=env)
    assert listed.exit_code == 0, listed.output
    assert "2126-12-01T00:00:00Z" in listed.output
    [current] = [line for line in listed.output.splitlines() if "current" in line]
    [planned] = [line for line in listed.output.splitlines() if "planned" in line]
    assert "k1" in current
    assert "century" in planned
    for key in read_token_keys(path).all:
        assert key.secret.hex() not in done.output + listed.output
        assert key.fingerprint in listed.output
