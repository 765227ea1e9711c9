"""What was hidden comes back to who holds the key, and only after a line in the audit log."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from app.cli.main import cli
from privacy.field_encryption import SEALED, FieldCipher, key_id_of
from privacy.tokens import TokenKey, TokenKeys
from streaming.errors import ConfigError

NEW, OLD = Fernet.generate_key(), Fernet.generate_key()
FIELDS, BOUND_TO = {"Latitude", "Longitude"}, {"DeviceId", "Time"}
MESSAGE = {
    "DeviceId": "phone",
    "Time": "2026-01-01 00:00:00",
    "Latitude": 37.331847,
    "Longitude": -121.887652,
}
TOKEN_SECRET = "77c0ffee" * 8
DECISIONS = [
    {"transaction_id": "t-1", "device_id": "a", "revision": 1, "verdict": "flagged"},
    {"transaction_id": "t-2", "device_id": "a", "revision": 1, "verdict": "cleared"},
    {"transaction_id": "t-1", "device_id": "a", "revision": 2, "verdict": "cleared"},
    {"transaction_id": "t-1", "device_id": "a", "revision": 1, "verdict": "flagged"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the keys."""
    (tmp_path / "fields.key").write_bytes(NEW + b"\n" + OLD + b"\n")
    (tmp_path / "token.key").write_text(f"k1:{'5a' * 32}\nk2:{TOKEN_SECRET} from 2026-01-01T00:00:00Z\n")
    return tmp_path


def reveal(folder: Path, *arguments: str, given: bytes = b"", **settings: str) -> Result:
    """Run the command as an operator would."""
    env = {
        "SMARTBANK_IOT_FIELD_KEYS_FILE": str(folder / "fields.key"),
        "SMARTBANK_TOKEN_KEY_FILE": str(folder / "token.key"),
        "SMARTBANK_AUDIT_FILE": str(folder / "audit.jsonl"),
        **{f"SMARTBANK_{name.upper()}": value for name, value in settings.items()},
    }
    return CliRunner().invoke(cli, ["reveal", *arguments], input=given, env=env)


def audited(folder: Path) -> list[dict[str, Any]]:
    """The lines of the audit log."""
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def sealed(key: bytes) -> dict[str, Any]:
    """A location whose place is sealed."""
    return FieldCipher([key]).sealed(MESSAGE, FIELDS, BOUND_TO)


def test_sealed_fields_come_back_and_the_audit_log_says_so(folder: Path) -> None:
    """By old keys, too; in a record that `tail` prints; as a bare token; what is not sealed stays."""
    plain = {"DeviceId": "b", "Latitude": 1.0}
    lines = [sealed(NEW), {"topic": "dead_letters", "value": sealed(OLD)}, plain]
    text = "\n".join(map(json.dumps, lines)) + "\n\n" + str(sealed(NEW)[SEALED])
    done = reveal(folder, "--reason", "case 4711", given=text.encode())
    assert done.exit_code == 0, done.output
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown == [MESSAGE, {"topic": "dead_letters", "value": MESSAGE}, plain, MESSAGE]
    log = audited(folder)
    assert [line["key_id"] for line in log] == [key_id_of(key) for key in (NEW, OLD, NEW)]
    assert [line["fields"] for line in log] == [["Latitude", "Longitude"]] * 2 + [sorted(MESSAGE)]
    assert [line["place"] for line in log] == [f"line {n} of standard input" for n in (1, 2, 5)]
    assert {line["reason"] for line in log} == {"case 4711"}
    assert all(line["time"] and line["user"] and line["host"] for line in log)
    assert "37.33" not in (folder / "audit.jsonl").read_text()
    assert stat.S_IMODE((folder / "audit.jsonl").stat().st_mode) == 0o600


def test_the_audit_log_grows(folder: Path) -> None:
    """A second run loses nothing of the first."""
    path = folder / "sealed.jsonl"
    path.write_text(json.dumps(sealed(NEW)))
    for _ in range(2):
        assert reveal(folder, str(path)).exit_code == 0
    assert [line["place"] for line in audited(folder)] == [f"line 1 of {path}"] * 2


def test_without_an_audit_line_nothing_is_shown(folder: Path) -> None:
    """The file is a folder; the disk is full; the disk is not ours."""
    (folder / "audit").mkdir()
    for audit_file in (str(folder / "audit"), "/dev/full", "/proc/nowhere/audit"):
        done = reveal(folder, given=json.dumps(sealed(NEW)).encode(), audit_file=audit_file)
        assert done.exit_code == 1
        assert isinstance(done.exception, ConfigError)
        assert "nothing is shown without it" in str(done.exception)
        assert "37.33" not in done.output
    done = reveal(folder, "--row-token", row_token("t-1"), decisions_file(folder), audit_file="/dev/full")
    assert isinstance(done.exception, ConfigError)
    assert "t-1" not in done.output


def test_what_cannot_be_opened_is_told_and_the_rest_is_shown(folder: Path) -> None:
    """Exit status 1, and no audit line for it; nothing is quoted."""
    foreign = {**sealed(Fernet.generate_key())}
    moved = {**sealed(NEW), "DeviceId": "another"}
    given = "\n".join([json.dumps(foreign), json.dumps(moved), "{", "[1]", "gAAAAé", json.dumps(sealed(NEW))])
    done = reveal(folder, given=given.encode())
    assert done.exit_code == 1
    assert [json.loads(line) for line in done.stdout.splitlines()] == [MESSAGE]
    told = done.stderr.splitlines()
    assert [line.partition(" of ")[0] for line in told] == [f"error: line {n}" for n in range(1, 6)]
    assert "for a message with another DeviceId" in told[1]
    assert "no JSON" in told[2]
    assert len(audited(folder)) == 1


def test_a_row_token_leads_to_the_last_revision_of_its_decision(folder: Path) -> None:
    """By the key that the token names, whenever that key's period was; only with an audit line."""
    token = row_token("t-1")
    done = reveal(folder, "--row-token", token, decisions_file(folder))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == DECISIONS[2]
    [line] = audited(folder)
    assert (line["action"], line["key_id"], line["row_token"]) == ("resolve", "k2", token)
    assert "t-1" not in json.dumps(line)


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        ("k2:" + "0" * 32, "no decision has the row token"),
        ("k3:" + "0" * 32, "there is no key k3"),
        ("0" * 32, "is no token"),
        ("k2:xyz", "is no token"),
    ],
)
def test_a_row_token_that_leads_nowhere_says_why(token: str, complaint: str, folder: Path) -> None:
    """And leaves no audit line."""
    done = reveal(folder, "--row-token", token, decisions_file(folder))
    assert done.exit_code == 1
    assert complaint in str(done.exception)
    assert not (folder / "audit.jsonl").exists()


def test_the_user_of_the_audit_log_is_not_what_the_environment_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reveals could set that."""
    monkeypatch.setenv("LOGNAME", "somebody-else")
    monkeypatch.setenv("USER", "somebody-else")
    assert reveal(folder, given=json.dumps(sealed(NEW)).encode()).exit_code == 0
    [line] = audited(folder)
    assert line["user"] == ("root" if os.getuid() == 0 else line["user"]) != "somebody-else"


def row_token(transaction_id: str) -> str:
    """As a publisher makes it, for a time in the second period."""
    keys = TokenKeys([TokenKey("k1", b"\x5a" * 32), TokenKey("k2", bytes.fromhex(TOKEN_SECRET), 0)])
    return keys.tokenizer("row")(transaction_id, 1)


def decisions_file(folder: Path) -> str:
    """Decisions as `replay` writes them, and a line that is none."""
    path = folder / "decisions.jsonl"
    path.write_bytes(b"\n".join([*map(msgspec.json.encode, DECISIONS), b"{}"]))
    return str(path)
