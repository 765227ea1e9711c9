"""`anonymize`, `privacy audit` and `choose-k`, over a file of purchases."""

import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from models.anonymized_transaction import AnonymizedTransaction
from privacy.tokens import TokenKey, tokenizer
from sources.event_file import write_events
from streaming.errors import ConfigError
from tests.messages import CARD_NUMBER, CUSTOMER_NAME, NOON_MS
from tests.pipeline import purchase

SECRET_HEX = "5a" * 32


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Forty purchases of twelve people in eight shops, one of nobody, and one that cannot be read."""
    path = tmp_path / "events.jsonl.gz"
    bought = [
        purchase(
            f"t{number}",
            f"phone-{number % 12}",
            NOON_MS + 1000 * number,
            lat=37.33 + number % 7 / 100,
            Amount=10.0 + number,
            Merchant=f"Shop {number % 8}",
            Merchant_category=("Restaurant", "Fuel")[number % 2],
            Transaction_device="mobile",
            **user(f"U{number % 12}"),
        )
        for number in range(40)
    ]
    nobody = purchase("nobody", "phone-x", NOON_MS + 50_000, **user(None))
    write_events(path, [*bought, nobody, purchase("bad", "phone-x", NOON_MS + 51_000, Amount="much")])
    return path


def user(user_id: str | None) -> dict[str, Any]:
    """The field whose name has a space."""
    return {"User ID": user_id}


def run(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(cli, [*map(str, arguments)])


def refusal(*arguments: object) -> str:
    """The line that a command ends with."""
    done = run(*arguments)
    assert isinstance(done.exception, ConfigError)
    return str(done.exception)


def rows_of(path: Path) -> list[AnonymizedTransaction]:
    """The rows of a file."""
    return msgspec.json.Decoder(AnonymizedTransaction).decode_lines(path.read_bytes())


def test_rows_are_published_and_stand_the_audit(events: Path, tmp_path: Path) -> None:
    """Every decision is a row; what the audit counts is what was told; at k + 1 it fails."""
    output, people = tmp_path / "rows.jsonl", tmp_path / "people.csv"
    done = run("anonymize", "--input", events, "--output", output, "--k", 4, "--l", 3, "--people", people)
    assert done.exit_code == 0, done.output
    assert "41 rows published" in done.stderr
    assert "0 suppressed (0.00%)" in done.stderr
    assert "(wanted 4)" in done.stderr
    assert "1 dead letters" in done.stderr
    assert len({row.row_token for row in rows_of(output)}) == 41
    assert people.stat().st_mode & 0o077 == 0
    audited = run("privacy", "audit", "--input", output, "--people", people, "--k", 4, "--l", 3)
    assert audited.exit_code == 0, audited.output
    assert "41 rows in " in audited.stdout
    refused = run("privacy", "audit", "--input", output, "--people", people, "--k", 41, "--l", 3)
    assert refused.exit_code == 1
    assert "NOT ANONYMOUS: a group has " in refused.stderr


def test_nothing_exact_and_no_token_of_a_person_is_published(events: Path, tmp_path: Path) -> None:
    """The map says whose the rows are; the rows do not."""
    output, people = tmp_path / "rows.jsonl", tmp_path / "people.csv"
    run("anonymize", "--input", events, "--output", output, "--k", 4, "--people", people)
    with people.open(newline="") as lines:
        tokens = {line["person"] for line in csv.DictReader(lines)} - {""}
    assert len(tokens) == 12
    published = output.read_text()
    for secret in (CARD_NUMBER, CARD_NUMBER[-4:], CUSTOMER_NAME, '"U1', "phone-", "t1", "37.33", *tokens):
        assert secret not in published


def test_row_tokens_are_of_the_key_where_there_is_one(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the fraud desk finds the row of a decision; without a key file nobody does, which is told."""
    output, key_file = tmp_path / "rows.jsonl", tmp_path / "key"
    ephemeral = run("anonymize", "--input", events, "--output", output, "--k", 4)
    assert "made with a key that is thrown away" in ephemeral.stderr.replace("\n", " ")
    assert all(row.row_token.startswith("ephemeral:") for row in rows_of(output))
    key_file.write_text(f"test:{SECRET_HEX}")
    monkeypatch.setenv("SMARTBANK_TOKEN_KEY_FILE", str(key_file))
    assert run("anonymize", "--input", events, "--output", output, "--k", 4).stderr.startswith("41 rows")
    token = tokenizer(TokenKey(key_id="test", secret=bytes.fromhex(SECRET_HEX)), "row")("t7")
    assert token in {row.row_token for row in rows_of(output)}


def test_what_cannot_be_a_group_is_suppressed_and_counted(events: Path, tmp_path: Path) -> None:
    """Twelve people are no thirteen."""
    output = tmp_path / "rows.jsonl"
    done = run("anonymize", "--input", events, "--output", output, "--k", 13)
    assert "41 suppressed (100.00%), 41 too_few_people" in done.stderr
    assert output.read_bytes() == b""
    assert "there is no row" in refusal("privacy", "audit", "--input", output)


def test_k_is_chosen_drawn_and_written(events: Path, tmp_path: Path) -> None:
    """Other lines of the file stay; one that is there is replaced."""
    png, page, env = tmp_path / "k.png", tmp_path / "k.html", tmp_path / "env"
    env.write_text("A=1\nexport SMARTBANK_ANONYMITY_K=99\nB=2\n")
    done = run("choose-k", "--input", events, "--plot", png, "--plot", page, "--write", env, "--most", 6)
    assert done.exit_code == 0, done.output
    [knee] = [line.split()[0] for line in done.stdout.splitlines() if line.endswith("<- knee")]
    assert env.read_text() == f"A=1\nexport SMARTBANK_ANONYMITY_K={knee}\nB=2\n"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert f"the knee is at k = {knee}" in page.read_text()
    fresh = tmp_path / "fresh"
    run("choose-k", "--input", events, "--write", fresh, "--most", 6, "--score", "prosecutor")
    assert fresh.read_text().startswith("SMARTBANK_ANONYMITY_K=")


def test_what_cannot_be_done_is_said_in_one_line(events: Path, tmp_path: Path) -> None:
    """Before minutes are spent where that is possible."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"row_token":"a"}\n')
    assert refusal("privacy", "audit", "--input", rows) == f"{rows}: line 1 is no published row"
    assert "cannot be read" in refusal("privacy", "audit", "--input", tmp_path / "none")
    assert "must begin with" in refusal("privacy", "audit", "--input", rows, "--people", rows)
    assert "must end in .png or .html" in refusal("choose-k", "--input", events, "--plot", "k.pdf")
    assert "41 rows, 0 values of k" in refusal("choose-k", "--input", events, "--l", 9)
    assert "name a file" in refusal("anonymize", "--input", events, "--output", rows, "--people", "-")
    assert "delta is 3" in refusal("anonymize", "--input", events, "--output", rows, "--delta", 3)
