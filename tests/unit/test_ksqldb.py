"""The statements for ksqlDB name what is there. They are not run: no ksqlDB server can be had."""

import re

import msgspec
import pytest

from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from models.flagged_transaction import FlaggedTransaction
from sketches.questions import Asked
from sketches.windows import check_window

SQL = re.sub(r"--.*", "", (PROJECT_DIR / "deploy" / "ksqldb" / "views.sql").read_text())
STATEMENTS = [statement.strip() for statement in SQL.split(";") if "CREATE" in statement]
UNITS_S = {"MINUTE": 60, "HOUR": 3600}


def seconds(text: str) -> int:
    """Read 15 MINUTES."""
    count, unit = text.split()
    return int(count) * UNITS_S[unit.removesuffix("S")]


def created(statement: str) -> str:
    """What a statement makes."""
    return statement.split()[2]


def columns_of_the_topic() -> dict[str, str]:
    """Name and type of each column of the first stream, but the key."""
    body = STATEMENTS[0].split("(", 1)[1].split(") WITH")[0]
    return {
        name: kind for name, kind, *more in (line.split() for line in body.split(",")) if "KEY" not in more
    }


def test_the_stream_has_fields_of_the_topic() -> None:
    """By name, in types that hold them."""
    schema = msgspec.json.schema(FlaggedTransaction)["$defs"]["FlaggedTransaction"]["properties"]
    columns = columns_of_the_topic()
    assert columns.keys() <= schema.keys()
    for name, kind in columns.items():
        told = schema[name]
        types = {told.get("type", "string"), *(each.get("type") for each in told.get("anyOf", ()))}
        assert ("number" in types) == (kind == "DOUBLE"), name
    topic = re.search(r"KAFKA_TOPIC = '(\w+)'", STATEMENTS[0])
    assert topic
    assert topic[1] == topics_of(Settings()).potential_fraud.name
    assert "TIMESTAMP = 'transaction_time'" in STATEMENTS[0]


@pytest.mark.parametrize("statement", STATEMENTS[1:], ids=created)
def test_every_name_was_made_before(statement: str) -> None:
    """Columns of the source, functions that ksqlDB has, and new names behind AS."""
    source = STATEMENTS[1] if "FROM flagged_transactions" in statement else STATEMENTS[0]
    if source is STATEMENTS[0]:
        known = {*columns_of_the_topic(), "device_key"}
    else:
        selected = source.split("SELECT", 1)[1].split("FROM")[0]
        known = set(re.findall(r"AS (\w+)", selected)) | set(
            re.findall(r"^\s*(\w+),?$", selected, re.MULTILINE)
        )
    body = re.sub(r"'[^']*'", "", statement.split("SELECT", 1)[1])
    body = re.sub(r"FROM \w+|WINDOW \w+ \([^)]*\)", "", body)
    named = set(re.findall(r"\b[a-z_]+\b", re.sub(r"AS \w+", "", body)))
    assert named
    assert named <= known
    assert set(re.findall(r"([A-Z_]+)\(", body)) <= {"COUNT_DISTINCT", "AVG", "COALESCE"}


def test_windows_are_those_that_the_publisher_can_answer() -> None:
    """Its default length, steps of whole panes, as far back as its views, the same high value."""
    settings = Settings()
    windows = re.findall(r"SIZE (\d+ \w+)(?:, ADVANCE BY (\d+ \w+))?, RETENTION (\d+ \w+)", SQL)
    assert {bool(step) for _, step, _ in windows} == {True, False}
    for size, step, retention in windows:
        size_ms = 1000 * seconds(size)
        check_window(size_ms, 1000 * seconds(step) if step else size_ms, 1000 * settings.view_pane_s)
        assert seconds(size) == Asked().window_s
        assert seconds(retention) == settings.view_retention_s
    assert {float(amount) for amount in re.findall(r"amount >= (\d+)", SQL)} == {settings.high_value_amount}
