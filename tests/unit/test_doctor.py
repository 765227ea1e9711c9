"""The doctor's findings say what is wrong and what to do."""

import asyncio
import os
from pathlib import Path

import pytest

from app.doctor import Finding, examine
from app.settings import Settings

KEY = "test:" + "5a" * 32


async def findings(**settings: str) -> dict[str, Finding]:
    """What the doctor finds on a machine whose broker is away, by name."""
    away = Settings(**{"kafka_bootstrap": "127.0.0.1:1", **settings})  # type: ignore[arg-type]  # all are text
    return {finding.name: finding for finding in await examine(away)}


async def test_a_named_broker_that_is_away_fails_with_its_address() -> None:
    """Topics are not looked at then."""
    found = await findings()
    assert found["broker"].level == "FAIL"
    assert "no Kafka at 127.0.0.1:1" in found["broker"].said
    assert "topics" not in found


async def test_a_missing_certificate_fails_with_the_setting() -> None:
    """ConfigError, not a traceback."""
    found = await findings(kafka_security="ssl", kafka_ca_file="/nonexistent")
    assert found["broker"].level == "FAIL"
    assert "SMARTBANK_KAFKA_CA_FILE" in found["broker"].said


async def test_the_packages_of_this_test_run_are_fine() -> None:
    """Python and packages are those that run this."""
    found = await findings()
    assert found["Python"].level == "OK"
    assert found["packages"].level == "OK"


@pytest.mark.parametrize(("mode", "level"), [(0o600, "OK"), (0o640, "WARN"), (0o604, "WARN")])
async def test_a_token_key_that_others_may_read_is_told(tmp_path: Path, mode: int, level: str) -> None:
    """Whoever has the key finds the card of every token."""
    path = tmp_path / "token.key"
    path.write_text(KEY)
    path.chmod(mode)
    found = await findings(token_key_file=str(path))
    assert found["token key"].level == level
    assert KEY not in found["token key"].said


async def test_a_token_key_that_is_none_fails(tmp_path: Path) -> None:
    """Its content is not quoted."""
    path = tmp_path / "token.key"
    path.write_text("secret words")
    found = await findings(token_key_file=str(path))
    assert found["token key"].level == "FAIL"
    assert "secret words" not in found["token key"].said


async def test_no_token_key_is_a_warning_and_makes_none() -> None:
    """Looking changes nothing."""
    assert (await findings())["token key"].level == "WARN"


async def test_a_state_folder_need_not_exist_yet(tmp_path: Path) -> None:
    """A worker makes it; the doctor does not."""
    path = tmp_path / "a" / "b"
    assert (await findings(state_dir=str(path)))["state"].level == "OK"
    assert not path.parent.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    """Tables could not be kept."""
    tmp_path.chmod(0o500)
    assert asyncio.run(findings(state_dir=str(tmp_path / "a")))["state"].level == "FAIL"
