"""What a broker of this machine runs on: Kafka's jars, fetched once with Maven, and a Java to run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from app.local_broker.config import LocalServerError
from app.local_broker.run_files import locked
from app.settings import PROJECT_DIR, RUN_DIR

KAFKA_VERSION: Final = "4.1.1"  # deploy/kafka/pom.xml says it too; a test holds them equal
DEFAULT_LIBS_DIR: Final = RUN_DIR / f"kafka-{KAFKA_VERSION}" / "libs"
DEPLOY_DIR: Final = PROJECT_DIR / "deploy" / "kafka"
REMEDY: Final = "apt-get install openjdk-17-jre-headless maven, or use Docker: docker compose up -d kafka"

Progress = Callable[[str], None]


def fetch_jars(
    libs_dir: Path,
    progress: Progress,
    pom: Path = DEPLOY_DIR / "pom.xml",
    what: str = f"Kafka {KAFKA_VERSION} (54 MB)",
) -> None:
    """Copy the jars that a pom names into `libs_dir` unless it exists.

    All or nothing, also for two processes at once.
    """
    if libs_dir.is_dir():
        return
    with locked(libs_dir.parent / "lock"):
        if libs_dir.is_dir():
            return
        mvn = shutil.which("mvn")
        if mvn is None:
            raise LocalServerError(f"jars are fetched with Maven, and there is no mvn: {REMEDY}")
        progress(f"fetching the jars of {what} with Maven, once")
        with tempfile.TemporaryDirectory(dir=libs_dir.parent) as scratch:
            jars = Path(scratch) / "libs"
            # -C: a wrong checksum is an error.
            copy = [mvn, "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies"]
            run_command([*copy, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"], "mvn", timeout_s=900)
            jars.rename(libs_dir)


def find_java() -> tuple[str, str]:
    """Return path and version of the Java to use (JAVA_HOME, else PATH). Raises LocalServerError below 17."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        where = f" in JAVA_HOME ({home})" if home else ""
        raise LocalServerError(f"Java 17 or newer is needed, and there is no java{where}: {REMEDY}")
    output = run_command([java, "-version"], "java", timeout_s=30)
    version = re.search(r'version "((\d+)[^"]*)"', output)
    if version is None or int(version[2]) < 17:
        seen = version[1] if version else last_words(output)
        raise LocalServerError(f"Java 17 or newer is needed, {java} is {seen}: {REMEDY}")
    return java, version[1]


def class_archive_option(java_version: str, libs_dir: Path, *, made_in: Path) -> str:
    """Return the option that lets a broker use the archive of loaded classes, or leave one as it stops.

    The first stop leaves (4 s, once) one for all brokers after it: 2.6 s to start instead of 4.1. Java
    ignores an archive that does not suit it.
    """
    name = f"classes-{java_version}.jsa"
    archive = libs_dir.parent / name
    if archive.exists():
        return f"-XX:SharedArchiveFile={archive}"
    return f"-XX:ArchiveClassesAtExit={made_in / name}"


def keep_class_archives(libs_dir: Path, *, made_in: Path) -> None:
    """Move what a broker that stopped well left in `made_in` to where the next one looks."""
    for fresh in made_in.glob("classes-*.jsa"):
        with tempfile.TemporaryDirectory(dir=libs_dir.parent) as scratch:
            # A copy, then a rename: the two directories may lie on different file systems, and a
            # broker that starts now must see all of the archive or none.
            Path(shutil.copy(fresh, scratch)).replace(libs_dir.parent / fresh.name)
        fresh.unlink()


def drop_class_archives(*, made_in: Path) -> None:
    """Delete what a broker that did not stop well left in `made_in`."""
    for half_written in made_in.glob("classes-*.jsa"):
        half_written.unlink()


def run_command(
    command: list[str],
    what: str,
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Return what a command said; a failure is a LocalServerError of one line that quotes the end of it."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            cwd=cwd,
            env=env,
        )
    except subprocess.TimeoutExpired as e:
        raise LocalServerError(f"{what} took more than {timeout_s:g} s") from e
    if done.returncode:
        raise LocalServerError(f"{what} failed with status {done.returncode}: {last_words(done.stdout)}")
    return done.stdout


def last_words(log: str, lines: int = 3) -> str:
    """Return the last lines of a log as one, without Java's stack frames."""
    told = [
        line.strip() for line in log.splitlines() if line.strip() and not re.match(r"\s+(at |\.\.\. )", line)
    ]
    return " | ".join(told[-lines:]) or "(nothing was logged)"
