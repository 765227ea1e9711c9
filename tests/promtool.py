"""The own tools of Prometheus and Alertmanager."""

import os
import shutil
import subprocess

import pytest


def promtool() -> str:
    """Its path. Missing: fails in CI, else skips."""
    return _found("promtool", "prometheus")


def amtool() -> str:
    """The same of Alertmanager's."""
    return _found("amtool", "prometheus-alertmanager")


def _found(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        assert not os.environ.get("CI"), f"{program} is missing: apt-get install {package}"
        pytest.skip(f"{program} is missing: apt-get install {package}")
    return path


def problems_of(page: bytes) -> str:
    """What `promtool check metrics` finds wrong with a page, which it reads as Prometheus does."""
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=page, capture_output=True, check=False, timeout=30
    )
    found = (checked.stdout + checked.stderr).decode()
    return found or ("" if checked.returncode == 0 else f"exit status {checked.returncode}")
