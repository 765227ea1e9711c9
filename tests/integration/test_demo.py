"""`python -m app demo`, as somebody new runs it: on its own broker, to the end or until Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR, RUN_DIR
from sources.event_file import write_events
from tests.pipeline import location, purchase, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("kafka_bootstrap")]

DEMO = [sys.executable, "-m", "app", "demo"]
LONG_ENOUGH_S = 180


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """No process and no folder of a demo is left behind."""
    before = set(RUN_DIR.glob("demo-*"))
    yield
    assert set(RUN_DIR.glob("demo-*")) <= before
    assert not [command for command in _commands() if f"{RUN_DIR}/demo-" in command]


def _commands() -> list[str]:
    """Command lines of all processes."""
    return [
        path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if os.access(path, os.R_OK) and path.exists()
    ]


def test_it_shows_flagged_transactions_and_ends_with_books_that_balance() -> None:
    """One command, exit status 0."""
    ran = subprocess.run(
        [*DEMO, "--seconds", "8"],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=LONG_ENOUGH_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "FLAGGED" in ran.stdout
    assert "books balance" in ran.stdout
    assert "by its sketches" in ran.stdout
    assert ran.stdout.strip().endswith("everything that was started is stopped")


def test_ctrl_c_ends_the_stream_and_the_books_are_still_proven(tmp_path: Path) -> None:
    """Whoever has seen enough gets the table all the same."""
    output = tmp_path / "output"
    with output.open("w") as out:
        demo = subprocess.Popen([*DEMO, "--seconds", "600"], cwd=PROJECT_DIR, stdout=out, stderr=out)
    wait_until(lambda: "FLAGGED" in output.read_text(), LONG_ENOUGH_S, "a flagged transaction")
    demo.send_signal(signal.SIGINT)
    assert demo.wait(LONG_ENOUGH_S) == 0, output.read_text()
    assert "books balance" in output.read_text()


def test_a_demo_that_is_told_to_end_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    """SIGTERM, as from a supervisor; the fixture looks for processes and folders."""
    output = tmp_path / "output"
    with output.open("w") as out:
        demo = subprocess.Popen(DEMO, cwd=PROJECT_DIR, stdout=out, stderr=out)
    wait_until(lambda: "Apache Kafka at" in output.read_text(), LONG_ENOUGH_S, "a broker")
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(LONG_ENOUGH_S) == 128 + signal.SIGTERM, output.read_text()


def test_a_file_of_old_events_can_be_played(tmp_path: Path) -> None:
    """Its records are years old; retention must not take them away before they are read."""
    path = tmp_path / "events.jsonl.gz"
    year_2010_ms = 1_262_304_000_000
    write_events(
        path,
        [
            location("phone", year_2010_ms),
            purchase("far", "phone", year_2010_ms + 1000, lat=45.0),
            purchase("near", "phone", year_2010_ms + 2000),
        ],
    )
    ran = subprocess.run(
        [*DEMO, "--input", str(path)],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=LONG_ENOUGH_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("FLAGGED") == 1
