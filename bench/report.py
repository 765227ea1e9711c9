"""From figures of several runs to Markdown, on the terminal and in docs/benchmarks.md."""

import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from app.local_broker.config import LocalServerError
from app.local_broker.jars import KAFKA_VERSION, find_java
from app.settings import PROJECT_DIR

DOCUMENT = PROJECT_DIR / "docs" / "benchmarks.md"

_PACKAGES = ("faust-streaming", "aiokafka", "msgspec", "rocksdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The outcome of one benchmark. `remarks` stand below the table, each a line."""

    name: str
    command: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = field(default=())

    def markdown(self) -> str:
        """The section as it stands between its markers."""
        lines = [
            f"`{self.command}`, {surroundings()}",
            "",
            _row(self.head),
            _row(["---"] * len(self.head)),
            *map(_row, self.rows),
            "",
            *(f"- {remark}" for remark in self.remarks),
        ]
        return "\n".join(lines).rstrip()

    def write(self) -> None:
        """Put the section between its markers in docs/benchmarks.md. Raises ValueError without them."""
        begin, end = f"<!-- begin {self.name} -->", f"<!-- end {self.name} -->"
        text = DOCUMENT.read_text()
        between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not between.search(text):
            raise ValueError(f"{DOCUMENT.name} has no markers {begin} and {end}")
        fresh = f"{begin}\n{self.markdown()}\n{end}"
        DOCUMENT.write_text(between.sub(lambda _: fresh, text))


def spread(figures: Sequence[float], form: str = "{:,.0f}") -> str:
    """Median [least-most]."""
    return (
        f"{form.format(statistics.median(figures))} [{form.format(min(figures))}-{form.format(max(figures))}]"
    )


def ratio(ours: Sequence[float], theirs: Sequence[float], *, form: str = "{:.2f}") -> str:
    """Spread of ours / theirs, run by run: neighbours in time share the machine's moods."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)], form)


def surroundings() -> str:
    """Where and with what a benchmark ran."""
    versions = ", ".join(f"{package} {version(package)}" for package in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}; {os.cpu_count()} cores, shared with the broker"
        f" and the load; Python {platform.python_version()}, {versions}; Kafka {KAFKA_VERSION}, {_java()}"
    )


def _java() -> str:
    try:
        return f"Java {find_java()[1]}"
    except LocalServerError:
        return "no Java"


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def told(*arguments: str) -> str:
        done = subprocess.run([git, *arguments], cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return (told("rev-parse", "--short", "HEAD") or "unknown") + (
        " with changes" if told("status", "--porcelain", "--untracked-files=no", "--", "*.py") else ""
    )


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
