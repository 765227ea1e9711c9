"""Prometheus' own tool."""

import os
import shutil
import subprocess

import pytest


def promtool() -> str:
    """Its path. Missing: fails in CI, else skips."""
    path = shutil.which("promtool")
    if path is None:
        assert not os.environ.get("CI"), "promtool is missing: apt-get install prometheus"
        pytest.skip("promtool is missing: apt-get install prometheus")
    return path


def problems_of(page: bytes) -> str:
    """What `promtool check metrics` finds wrong with a page, which it reads as Prometheus does."""
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=page, capture_output=True, check=False, timeout=30
    )
    found = (checked.stdout + checked.stderr).decode()
    return found or ("" if checked.returncode == 0 else f"exit status {checked.returncode}")
