"""What the README shows is what happens."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from app.settings import PROJECT_DIR
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
