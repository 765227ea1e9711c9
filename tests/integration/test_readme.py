"""What the README shows is what happens."""

import json
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from app.settings import PROJECT_DIR
from tests.integration.commands import environment
from tests.pipeline import Pipeline, location, purchase, wait_until

README = (PROJECT_DIR / "README.md").read_text()


def block(language: str) -> str:
    """The README's first code block in that language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found
    return found.group(1)


def test_the_flagged_transaction_that_it_shows_is_one() -> None:
    """By the published schema, so that a consumer can be written from the page."""
    schema = json.loads((PROJECT_DIR / "docs/schemas/Potential_fraud_transactions.schema.json").read_text())
    jsonschema.validate(json.loads(block("json")), schema)


@pytest.mark.kafka
def test_its_consumer_reads_a_flagged_transaction(pipeline: Pipeline, tmp_path: Path) -> None:
    """The program as it stands there, but for the broker's address."""
    now_ms = int(time.time() * 1000)
    pipeline.produce([location("phone", now_ms), purchase("far", "phone", now_ms + 1, lat=45.0)])
    pipeline.worker().wait_ready()
    pipeline.wait_complete()
    output = tmp_path / "output"
    program = block("python").replace("127.0.0.1:9092", pipeline.bootstrap)
    with output.open("w") as out:
        consumer = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=out, stderr=out)
    try:
        wait_until(lambda: bool(output.read_text()), 60, "the consumer prints something")
    finally:
        consumer.kill()
        consumer.wait()
    assert output.read_text() == "flagged far ['faster_than_reported']\n"


def test_its_replay_says_what_two_profiles_are_worth(tmp_path: Path) -> None:
    """The two commands as they stand there, in an empty folder; no broker is needed."""
    commands = [
        shlex.split(line.split(" #")[0])[1:]
        for line in README.splitlines()
        if "--labels labels.csv" in line and line.startswith(".venv/bin/python")
    ]
    assert [command[2] for command in commands] == ["simulate", "replay"]
    env = environment("127.0.0.1:1") | {"PYTHONPATH": str(PROJECT_DIR)}
    for command in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
    assert re.search(r"^final +envelope( +[01]\.\d{4}){4}$", done.stdout, re.MULTILINE)
    assert re.search(r"^legit_near +[\d,]+ ", done.stdout, re.MULTILINE)
    assert re.search(r"^[\d,]+ of [\d,]+ transactions change sides from paper to", done.stdout, re.MULTILINE)


def test_its_evaluation_is_a_target_that_skips_with_a_reason(tmp_path: Path) -> None:
    """Where there is no ../shared; what it prints elsewhere, tests/unit/test_evaluation.py holds."""
    absent = [f"{name}={tmp_path / 'absent'}" for name in ("LABELLED", "SCORE")]
    stamps = [option for stamp in ("runtime", "dev") for option in ("-o", f".venv/{stamp}.stamp")]
    done = subprocess.run(
        ["make", *stamps, "evaluate", *absent], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("skipped: ")
