"""`reveal --row-token` on a real Kafka."""

import json

import pytest

from app.token_keys import token_keys_of
from privacy.tokens import tokenizer
from tests.integration.commands import environment, produce, run
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka


def test_the_fraud_desk_goes_from_a_row_to_its_decision(pipeline: Pipeline) -> None:
    """The last revision, out of all partitions; nothing is committed, and an audit line is left."""
    pipeline.configure(audit_file=pipeline.state_dir.parent / "audit.jsonl")
    topic = pipeline.topics.transaction_decisions.name
    produce(
        pipeline.bootstrap,
        [
            {"topic": topic, "key": b"phone-%d" % n, "value": decision_json(n, revision)}
            for n in range(20)
            for revision in (1, 2)
        ],
    )
    [key] = token_keys_of(pipeline.settings).all
    told = run(
        {**environment(pipeline.bootstrap), **pipeline.own_env},
        "reveal",
        "--row-token",
        tokenizer(key, "row")("t-7"),
    )
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.encode() == decision_json(7, 2) + b"\n"
    [line] = (pipeline.state_dir.parent / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["action"] == "resolve"


def decision_json(number: int, revision: int) -> bytes:
    """What of a decision matters here."""
    line = {"transaction_id": f"t-{number}", "device_id": f"phone-{number}", "revision": revision}
    return json.dumps(line).encode()
