"""Settings say no to what they do not understand, and never show a secret."""

from dataclasses import fields
from pathlib import Path

import pytest

from app.cli.settings import reference
from app.settings import DEFAULT_BOOTSTRAP, PREFIX, PROJECT_DIR, Settings
from streaming.errors import ConfigError


def test_reference_is_current() -> None:
    """docs/settings.md is what `python -m app settings` prints."""
    assert (PROJECT_DIR / "docs" / "settings.md").read_text() == reference() + "\n", "run make docs"


def test_reference_names_every_setting_and_marks_secrets() -> None:
    """One row each; a secret is told from a name of a file."""
    rows = [line for line in reference().splitlines() if line.startswith(f"| `{PREFIX}")]
    assert len(rows) == len(fields(Settings))
    assert [row.split("`")[1] for row in rows if "**Secret.**" in row] == [
        "SMARTBANK_KAFKA_PASSWORD",
        "SMARTBANK_TOKEN_KEYS",
        "SMARTBANK_MONGODB_URI",
        "SMARTBANK_ELASTICSEARCH_API_KEY",
        "SMARTBANK_ELASTICSEARCH_PASSWORD",
        "SMARTBANK_INFLUXDB_TOKEN",
        "SMARTBANK_PARQUET_URL",
        "SMARTBANK_NOTIFY_URL",
    ]


def test_no_variable_gives_the_defaults() -> None:
    """Variables of other programs are none of our business."""
    assert Settings.from_env({"PATH": "/bin", "KAFKA_BOOTSTRAP": "x"}) == Settings()


def test_unknown_name_is_an_error_that_names_it() -> None:
    """A typo must not mean the default."""
    with pytest.raises(ConfigError, match="SMARTBANK_TOPIC_PARTITION: no such setting"):
        Settings.from_env({"SMARTBANK_TOPIC_PARTITION": "8"})


def test_values_take_the_type_of_their_setting() -> None:
    """Text in the environment, values in the code."""
    settings = Settings.from_env(
        {"SMARTBANK_TOPIC_PARTITIONS": "8", "SMARTBANK_LINGER_S": "1e-3", "SMARTBANK_STORE": "memory"}
    )
    assert (settings.topic_partitions, settings.linger_s, settings.store) == (8, 0.001, "memory")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SMARTBANK_TOPIC_PARTITIONS", "many"),
        ("SMARTBANK_TOPIC_PARTITIONS", "4.5"),
        ("SMARTBANK_TOPIC_PARTITIONS", ""),
        ("SMARTBANK_TOPIC_PARTITIONS", "-1"),
        ("SMARTBANK_LINGER_S", "nan"),
        ("SMARTBANK_LINGER_S", "inf"),
        ("SMARTBANK_STORE", "redis"),
        ("SMARTBANK_KAFKA_SECURITY", "PLAINTEXT"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_variable(name: str, text: str) -> None:
    """Found at the start, not at first use."""
    with pytest.raises(ConfigError, match=name):
        Settings.from_env({name: text})


def test_secrets_are_not_in_the_repr() -> None:
    """What is logged or raised may hold the settings."""
    settings = Settings.from_env({"SMARTBANK_KAFKA_PASSWORD": "hunter2"})
    assert settings.kafka_password == "hunter2"
    assert "hunter2" not in f"{settings!r} {settings}"


def test_every_setting_whose_name_sounds_secret_is_marked() -> None:
    """A new password must not be forgotten; names of files are no secrets."""
    sounding = [f for f in fields(Settings) if f.name.endswith(("password", "secret", "token", "_uri"))]
    assert sounding
    assert all(f.metadata["secret"] and not f.repr for f in sounding)


def test_bootstrap_is_the_setting_then_the_local_broker_then_the_usual_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker started here is found without any setting, and a setting overrides it."""
    monkeypatch.setattr("app.settings.RUN_DIR", tmp_path)
    assert Settings().bootstrap == DEFAULT_BOOTSTRAP
    (tmp_path / "kafka").mkdir()
    (tmp_path / "kafka" / "address").write_text("127.0.0.1:19999\n")
    assert Settings().bootstrap == "127.0.0.1:19999"
    assert Settings(kafka_bootstrap="kafka:1").bootstrap == "kafka:1"
