"""The documents that downstream consumers build on are current, valid, and true of real messages."""

import gzip
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from app.cli.schemas import documents, stale_documents
from app.published import asyncapi
from app.published.schemas import json_schema
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from detection.track import Track
from models.anonymized_transaction import AnonymizedTransaction
from models.card_testing_alert import CardTestingAlert, NearIdentical
from models.case import Case
from models.dead_letter import DeadLetter
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.judgement import Judgement, UsedFix
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from models.public_statistics import Noisy, PublicStatistics
from models.published_group import PublishedGroup
from models.statistics_budget import StatisticsBudget
from models.transaction import Transaction
from sketches.notebook import Snapshot

TOPICS = topics_of(Settings())
ASYNCAPI_SCHEMA = Path(__file__).parent / "data" / "asyncapi-3.0.0.schema.json.gz"

LOCATION = LocationFix(
    device_id="phone-1",
    event_time=datetime(2024, 4, 1, 10, tzinfo=UTC),
    latitude_deg=37.3359035,
    longitude_deg=-121.8952828,
    speed_mps=-1.0,
)
TRANSACTION = Transaction(
    transaction_id="t-1",
    device_id="phone-1",
    event_time=datetime(2024, 4, 1, 10, tzinfo=UTC),
    amount=12.5,
    latitude="37.335603",
    longitude=-121.894946,
    card_number=4111111111111111,
)
DECISION = Decision.of(
    TRANSACTION,
    Judgement(
        verdict="flagged",
        reasons=("faster_than_reported",),
        distance_m=20.3,
        elapsed_s=0.0,
        implied_speed_mps=0.0,
        reported_speed_mps=None,
        allowed_speed_mps=1.0,
        required_m=None,
        possible_m=None,
        refused=(),
        fixes=(
            UsedFix(
                event_time=datetime(2024, 4, 1, 10, tzinfo=UTC),
                latitude_deg=37.3,
                longitude_deg=-121.9,
                speed_mps=None,
                accuracy_m=5.0,
            ),
        ),
        profile="paper",
        profile_version=1,
    ),
    stage="provisional",
    revision=1,
    card_token="k1:00",
    user_token=None,
    received_ms=1,
)
DEAD_LETTER = DeadLetter.of(
    reason_code="malformed",
    reason="not JSON",
    topic="location_data",
    partition=0,
    offset=7,
    timestamp_ms=-1,
    key=None,
    value=b"{",
    store="mongodb",
)
ANONYMIZED = AnonymizedTransaction(
    row_token="k1:00",
    place="9q9k",
    time_from=datetime(2024, 4, 1, 10, tzinfo=UTC),
    time_to=datetime(2024, 4, 1, 10, 5, tzinfo=UTC),
    amount_from=10.0,
    amount_to=20.0,
    merchant_category="*",
    device_type="handheld",
    merchant=None,
    verdict="cleared",
    usual_place=None,
    group_size=10,
    information_loss=0.25,
)
SNAPSHOT = Snapshot(ends={"transaction_decisions": 7}, sketch=b"\x01")
SAMPLES: dict[str, msgspec.Struct] = {
    TOPICS.location_data.name: LOCATION,
    TOPICS.location_repartition.name: LOCATION,
    TOPICS.transaction_data.name: TRANSACTION,
    TOPICS.transaction_repartition.name: TRANSACTION,
    TOPICS.latest_locations_changelog.name: LatestLocation(datetime(2024, 4, 1, 10, tzinfo=UTC), 1.0, 2.0),
    TOPICS.cases_changelog.name: Case(
        is_open=True, record_ms=1, deadline_ms=2, decision_json=b"{}", card_last4="1111"
    ),
    TOPICS.card_testing_alerts.name: CardTestingAlert(
        "00",
        datetime(2024, 4, 1, 10, tzinfo=UTC),
        datetime(2024, 4, 1, 10, 1, tzinfo=UTC),
        2,
        ("k1:00", "k1:01"),
        ("k1:02", "k1:03"),
        (NearIdentical("Online", "shop", "1.19", "3733,-12190", 2),),
    ),
    TOPICS.sketches_changelog.name: SNAPSHOT,
    TOPICS.views_changelog.name: SNAPSHOT,
    TOPICS.devices_changelog.name: SNAPSHOT,
    TOPICS.budget_changelog.name: StatisticsBudget(20_000, 40_000, 3_600_000, b"{}"),
    TOPICS.public_statistics.name: PublicStatistics(
        datetime(2024, 4, 1, 10, tzinfo=UTC),
        0.04,
        3,
        500.0,
        {"flagged": Noisy(3.0, -2.0, 8.0)},
        {"Fuel": Noisy(3.0, -2.0, 8.0)},
        Noisy(100.0, 50.0, 150.0),
    ),
    TOPICS.groups_changelog.name: PublishedGroup((7,), (b"k1:00",), (b"{}",)),
    TOPICS.transaction_decisions.name: DECISION,
    TOPICS.potential_fraud.name: FlaggedTransaction.of(DECISION, "1111", "flagged"),
    TOPICS.anonymized_transactions.name: ANONYMIZED,
}


def problems(value: Any, topic_name: str) -> list[str]:
    """What the schema of a topic says against a decoded value."""
    schema = json_schema(next(t for t in TOPICS.all if t.name == topic_name), TOPICS)
    return [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(value)]


def wire(message: msgspec.Struct) -> Any:
    """A message as a consumer in another language decodes it."""
    return json.loads(msgspec.json.encode(message))


def test_documents_are_current() -> None:
    """What consumers read is what the models say."""
    stale = stale_documents(PROJECT_DIR / "docs", documents())
    assert not stale, f"run make docs: {', '.join(stale)}"


def test_stale_missing_and_left_over_documents_are_found(tmp_path: Path) -> None:
    """The guard above fails in every way that it should."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "gone.schema.json").write_text("{}")
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "fresh.json").write_text("x")
    made = {"asyncapi.json": "{ }", "fresh.json": "x", "schemas/new.schema.json": "{}"}
    assert stale_documents(tmp_path, made) == [
        "asyncapi.json",
        "schemas/gone.schema.json",
        "schemas/new.schema.json",
    ]


@pytest.mark.parametrize("topic", TOPICS.all, ids=lambda topic: topic.name)
def test_schema_is_valid_and_says_who_may_read(topic: Any) -> None:
    """A broken schema would accept anything."""
    schema = json_schema(topic, TOPICS)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == topic.name
    assert schema["description"]
    assert schema["x-zone"] == topic.zone


@pytest.mark.parametrize("topic_name", [t.name for t in TOPICS.all if t.value not in (DeadLetter, Track)])
def test_messages_satisfy_their_schema(topic_name: str) -> None:
    """Every topic has a sample; a new topic needs one here."""
    assert problems(wire(SAMPLES[topic_name]), topic_name) == []


def test_a_location_as_phones_send_it_satisfies_the_schema() -> None:
    """The paper's form of the time has no T and no zone."""
    text = (
        '{"DeviceId": "p", "Time": "2024-04-01 10:00:00", "Latitude": 37.3, "Longitude": -121, "Other": []}'
    )
    assert problems(json.loads(text), "location_data") == []


@pytest.mark.parametrize(
    ("topic_name", "change"),
    [
        ("location_data", {"DeviceId": ""}),
        ("location_data", {"Latitude": 91}),
        ("location_data", {"Time": None}),
        ("transaction_data", {"Amount": "12.50"}),
        ("transaction_decisions", {"revision": 0}),
        ("transaction_decisions", {"verdict": "maybe"}),
        ("Potential_fraud_transactions", {"event": "seen"}),
    ],
)
def test_schema_refuses_what_the_models_refuse(topic_name: str, change: dict[str, Any]) -> None:
    """A schema that accepts everything proves nothing."""
    assert problems(wire(SAMPLES[topic_name]) | change, topic_name)


def test_headers_of_a_dead_letter_satisfy_their_schema() -> None:
    """They are text on the wire, also where the model has numbers."""
    schema = json_schema(TOPICS.dead_letters, TOPICS)["x-headers"]
    headers = {name: text.decode() for name, text in DEAD_LETTER.headers}
    jsonschema.validate(headers, schema)
    assert headers.keys() == schema["properties"].keys()
    assert not jsonschema.Draft202012Validator(schema).is_valid({**headers, "source_offset": "seven"})


def test_asyncapi_document_satisfies_the_official_schema() -> None:
    """AsyncAPI's own definition, not ours, says what a document is."""
    official = json.loads(gzip.decompress(ASYNCAPI_SCHEMA.read_bytes()))
    errors = jsonschema.Draft7Validator(official).iter_errors(json.loads(documents()["asyncapi.json"]))
    assert [f"{e.json_path}: {e.message[:200]}" for e in errors] == []


def test_asyncapi_document_names_every_topic_and_only_what_exists() -> None:
    """Consumers follow its references; the official schema does not."""
    document = json.loads(documents()["asyncapi.json"])
    assert [channel["address"] for channel in document["channels"].values()] == [t.name for t in TOPICS.all]
    for reference in references(document):
        target = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def test_asyncapi_version_is_the_projects() -> None:
    """One number for a release and for what its consumers see."""
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    assert project["version"] == asyncapi.VERSION


def references(node: Any) -> Iterator[str]:
    """Every $ref in a JSON tree."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)
