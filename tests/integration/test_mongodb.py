"""What docs/mongodb.md promises to those who read the rows."""

import os
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import json_util

from app.settings import PROJECT_DIR
from sinks.mongodb import MongoOptions, MongoSink
from tests.pipeline import wait_until
from tests.rows import row, rows
from tests.services.mongodb import MongoServer

_DOCUMENT = PROJECT_DIR / "docs" / "mongodb.md"
QUESTIONS = re.findall(r"\(index `(\w+)`.*?```json\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)
NOW = datetime.now(UTC)


def sink(server: MongoServer, ttl_days: int = 0) -> MongoSink:
    """Writes to the database of the documents."""
    return MongoSink(MongoOptions(uri=server.uri(), database="bank", ttl_days=ttl_days, timeout_s=30))


async def write(server: MongoServer, count: int, ttl_days: int = 0) -> None:
    """Make the schema and put rows in."""
    writing = sink(server, ttl_days)
    await writing.migrate()
    await writing.open()
    assert await writing.write(rows(count)) == []
    await writing.close()


async def test_every_question_is_answered_by_its_index(mongodb: MongoServer) -> None:
    """As the plan says, of this server's planner; and it finds something."""
    await write(mongodb, 400)
    assert len(QUESTIONS) == 6
    with mongodb.client() as client:
        for index, text in QUESTIONS:
            command: Any = json_util.loads(text)
            plan = client.bank.command("explain", command, verbosity="queryPlanner")
            used = set(re.findall(r"'indexName': '(\w+)'", str(plan)))
            assert used == {index} or (index == "_id_" and "IDHACK" in str(plan)), (text, plan)
            assert client.bank.command(command)["cursor"]["firstBatch"], text


async def test_the_time_to_live_follows_its_setting(mongodb: MongoServer) -> None:
    """What is there keeps its rows; nothing is built anew."""
    assert "rows live for ever" in await sink(mongodb).migrate()
    for days, seconds in ((90, 7_776_000), (30, 2_592_000), (0, 2**31 - 1)):
        assert len(await sink(mongodb, days).migrate()) == 1
        with mongodb.client() as client:
            assert client.bank.transactions.index_information()["expiry"]["expireAfterSeconds"] == seconds


@pytest.mark.skipif("SINK_ROWS" not in os.environ, reason="a minute of waiting: with SINK_ROWS=300000")
async def test_rows_go_when_their_time_is_over(mongodb: MongoServer) -> None:
    """By their own time, however late they were written."""
    await write(mongodb, 10)
    fresh = row(77, time_from=NOW, time_to=NOW)
    writing = sink(mongodb)
    assert await writing.write([fresh]) == []
    await writing.close()
    assert await sink(mongodb, ttl_days=1).migrate() == ["rows live for 1 days after their time_to"]
    with mongodb.client() as client:
        wait_until(
            lambda: [each["_id"] for each in client.bank.transactions.find()] == [fresh.row_token],
            120,
            "the old rows are deleted",
        )


async def test_the_validator_knows_every_field_of_a_row(mongodb: MongoServer) -> None:
    """And forbids none that a newer version may add."""
    await write(mongodb, 1)
    with mongodb.client() as client:
        (stored,) = client.bank.transactions.find()
        options: Any = client.bank.transactions.options()
        schema = options["validator"]["$jsonSchema"]
        assert set(schema["required"]) == set(schema["properties"]) == set(stored)
        assert options["validationLevel"] == "moderate"
        client.bank.transactions.insert_one({**stored, "_id": "newer", "added_later": 1})
        with pytest.raises(Exception, match="failed validation"):
            client.bank.transactions.insert_one({**stored, "_id": "worse", "group_size": 0})
