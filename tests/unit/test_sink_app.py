"""How the Faust app of a sink differs from the detector's."""

import dataclasses
import re

import pytest
from prometheus_client import CollectorRegistry

from app.settings import PROJECT_DIR, Settings
from app.sink import STORES, create_sink, delivery_options, group_of, sink_of
from streaming.errors import ConfigError

WITH_STORE = Settings(mongodb_uri="mongodb://nobody@127.0.0.1:1/", kafka_bootstrap="127.0.0.1:1")


def test_a_worker_stays_in_its_group_while_its_store_is_away() -> None:
    """Aiokafka leaves a group when nobody has read for max.poll.interval, whatever the heartbeats."""
    app = create_sink(WITH_STORE, "mongodb", CollectorRegistry())
    assert app.conf.id == "bank-sink-mongodb"
    assert app.conf.broker_max_poll_interval >= 3 * 24 * 3600


def test_every_store_has_a_group_of_its_own() -> None:
    """One that is away must not hold up another."""
    assert len({group_of(name) for name in STORES}) == len(STORES)


def test_the_buffer_holds_a_batch() -> None:
    """Else a batch would never be full."""
    options = delivery_options(Settings(sink_buffer_max_rows=10, sink_batch_max_rows=500))
    assert options.buffer_max_rows == options.batch_max_rows == 500


@pytest.mark.parametrize(
    ("settings", "name", "told"),
    [
        (WITH_STORE, "oracle", "no store is called 'oracle'; there are: mongodb"),
        (Settings(), "mongodb", "SMARTBANK_MONGODB_URI is empty"),
        (Settings(mongodb_uri_file="/nowhere"), "mongodb", "SMARTBANK_MONGODB_URI_FILE is '/nowhere'"),
    ],
)
def test_a_missing_setting_is_named(settings: Settings, name: str, told: str) -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigError, match=told):
        sink_of(settings, name)


def test_docs_sinks_names_every_store_and_the_settings_without_which_it_does_not_start() -> None:
    """In both of its tables; and no setting that does not exist."""
    text = (PROJECT_DIR / "docs" / "sinks.md").read_text()
    tables = [
        re.findall(r"^\| `(\w+)` \|(.*)$", part, re.MULTILINE) for part in text.split("it is away where")
    ]
    assert [{name for name, _ in table} & set(STORES) for table in tables] == [set(STORES)] * 2
    for name in STORES:
        with pytest.raises(ConfigError) as told:
            sink_of(Settings(), name)
        wanted = re.findall(r"SMARTBANK_\w+", str(told.value))[0]
        assert any(wanted in cells for of, cells in tables[0] if of == name), (name, wanted)
    known = {f"SMARTBANK_{each.name.upper()}" for each in dataclasses.fields(Settings)}
    assert set(re.findall(r"SMARTBANK_\w+", text)) <= known
