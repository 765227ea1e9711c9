"""The alert rules do what they say, by Prometheus's own tool, and the runbook has a section for each."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR

RULES_DIR = PROJECT_DIR / "deploy" / "prometheus"
PROMTOOL = shutil.which("promtool")


@pytest.mark.parametrize("test_file", sorted(RULES_DIR.glob("*.test.yml")), ids=lambda path: path.name)
def test_rules_fire_when_they_should(test_file: Path) -> None:
    """And not otherwise: `promtool test rules`, which also checks their syntax."""
    if PROMTOOL is None:
        assert not os.environ.get("CI"), "promtool is missing: apt-get install prometheus"
        pytest.skip("promtool is missing: apt-get install prometheus")
    done = subprocess.run(
        [PROMTOOL, "test", "rules", test_file.name],
        cwd=RULES_DIR,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rules_file", sorted(RULES_DIR.glob("*.rules.yml")), ids=lambda path: path.name)
def test_every_alert_has_a_section_in_the_runbook(rules_file: Path) -> None:
    """Which is the one that it links to."""
    rules = rules_file.read_text()
    sections = re.findall(r"^## (\S+)$", (PROJECT_DIR / "docs" / "runbook.md").read_text(), re.MULTILINE)
    alerts = re.findall(r"- alert: (\S+)", rules)
    assert alerts
    assert set(alerts) <= set(sections)
    assert re.findall(r"runbook: docs/runbook\.md#(\S+)", rules) == [alert.lower() for alert in alerts]
