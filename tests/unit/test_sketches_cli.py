"""`sketches accuracy --input`: all sketches over a file, and what a wrong one makes of the exit status."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.settings import PREFIX
from sketches.quantiles import Quantiles
from sources.event_file import write_events
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate

SCENARIO = Scenario(
    seed=1, start_time_ms=1_767_225_600_000, duration_s=600, customers=40, transactions_per_s=1.0
)


@pytest.fixture
def accuracy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command over ten simulated minutes."""
    key, path = tmp_path / "token.key", tmp_path / "events.jsonl"
    key.write_text(f"k1:{'ab' * 32}")
    monkeypatch.setenv(f"{PREFIX}TOKEN_KEY_FILE", str(key))
    made = simulate(SCENARIO, location_topic="location_data", transaction_topic="transaction_data")
    write_events(path, (each.event for each in made))
    return lambda *arguments: CliRunner().invoke(
        cli, ["sketches", "accuracy", "--input", str(path), *arguments], env={"COLUMNS": "120"}
    )


def test_all_sketches_run_over_a_file(accuracy: Callable[..., Result], tmp_path: Path) -> None:
    """As a table, as JSON and as a picture."""
    page = tmp_path / "accuracy.html"
    table = accuracy("--plot", str(page))
    assert table.exit_code == 0
    assert "flagged_distinct_people" in page.read_text()
    assert "flagged_distinct_people" in table.stdout
    report = json.loads(accuracy("--json").stdout)
    assert report["ok"]
    by_name = {each["sketch"]: each for each in report["sketches"]}
    devices = by_name["distinct_devices"]
    assert devices["exact"] == round(devices["estimate"]) >= 40
    assert by_name["approved"]["bound"] == pytest.approx(0.012)


def test_a_broken_bound_is_an_exit_status(
    accuracy: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says which, and why."""
    update, numbers = Quantiles.update, itertools.count(1)

    def forgetful(self: Quantiles, *values: float) -> None:
        update(self, *(value for value in values if next(numbers) % 50))

    monkeypatch.setattr(Quantiles, "update", forgetful)
    result = accuracy()
    assert result.exit_code == 1
    assert "amounts: it holds" in result.stdout
