"""The alert rules do what they say, by Prometheus's own tool, and the runbook has a section for each."""

import re
import subprocess
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR
from tests.promtool import amtool, promtool

RULES_DIR = PROJECT_DIR / "deploy" / "prometheus"
ALERTMANAGER = PROJECT_DIR / "deploy" / "alertmanager" / "alertmanager.yml"
each_rules_file = pytest.mark.parametrize(
    "rules_file", sorted(RULES_DIR.glob("*.rules.yml")), ids=lambda path: path.name
)


def checked(*command: str) -> None:
    """Run a tool where the rules are; fail with what it says."""
    done = subprocess.run(command, cwd=RULES_DIR, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("test_file", sorted(RULES_DIR.glob("*.test.yml")), ids=lambda path: path.name)
def test_rules_fire_when_they_should(test_file: Path) -> None:
    """And not otherwise: `promtool test rules`, which also checks their syntax."""
    checked(promtool(), "test", "rules", test_file.name)


def test_prometheus_takes_its_configuration() -> None:
    """With all files of rules that it names."""
    checked(promtool(), "check", "config", "prometheus.yml")


def test_alertmanager_takes_its_configuration() -> None:
    """Routes, inhibitions, receivers."""
    checked(amtool(), "check-config", str(ALERTMANAGER))


@each_rules_file
def test_every_alert_is_seen_to_fire_and_to_be_silent(rules_file: Path) -> None:
    """In the tests beside its rules."""
    tests = rules_file.with_name(rules_file.name.replace(".rules.yml", ".rules.test.yml")).read_text()
    silent = set(re.findall(r"alertname: (\w+),? *\n? *exp_alerts: \[\]", tests))
    fires = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", tests))
    alerts = set(re.findall(r"- alert: (\S+)", rules_file.read_text()))
    assert alerts <= fires
    assert alerts <= silent


@each_rules_file
def test_every_metric_exists(rules_file: Path) -> None:
    """By docs/metrics.md, which is held to the processes: an alert on another one would never fire."""
    page = (PROJECT_DIR / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    named = set(re.findall(r"\bsmartbank_\w+", rules_file.read_text()))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= documented


@each_rules_file
def test_every_alert_has_a_section_in_the_runbook(rules_file: Path) -> None:
    """Which is the one that it links to."""
    rules = rules_file.read_text()
    sections = re.findall(r"^## (\S+)$", (PROJECT_DIR / "docs" / "runbook.md").read_text(), re.MULTILINE)
    alerts = re.findall(r"- alert: (\S+)", rules)
    assert alerts
    assert set(alerts) <= set(sections)
    assert re.findall(r"runbook: docs/runbook\.md#(\S+)", rules) == [alert.lower() for alert in alerts]


def test_what_is_inhibited_is_an_alert() -> None:
    """A name with a slip would hold nothing back."""
    rules = "".join(path.read_text() for path in RULES_DIR.glob("*.rules.yml"))
    alerts = re.findall(r"- alert: (\S+)", rules)
    for names in re.findall(r"alertname=~?\"([^\"]+)\"", ALERTMANAGER.read_text()):
        for name in names.split("|"):
            assert any(re.fullmatch(name, alert) for alert in alerts), name
