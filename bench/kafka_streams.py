"""The peer: the same join on Kafka Streams in Java. It lies beside the project, not in it."""

import hashlib
import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.local_broker.jars import find_java
from app.settings import PROJECT_DIR, RUN_DIR
from bench.site import Site
from bench.worker import Worker, running

_SOURCE = PROJECT_DIR.parent / "shared" / "peers" / "kafka_streams"
_BUILT = RUN_DIR / "bench"
_HEAP = ("-Xmx512m", "-Xms512m")
_BUILD_TIMEOUT_S = 900
_ROUNDS_TIMEOUT_S = 900


class PeerAbsentError(Exception):
    """There is no peer to compare with; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaStreams:
    """The built peer."""

    folder: Path

    def rounds(self, where: Site, **arguments: object) -> list[dict[str, Any]]:
        """Run it to its end; return what it reports of every round. Raises RuntimeError where it fails."""
        with self._running(where, arguments) as worker:
            status = worker.process.wait(_ROUNDS_TIMEOUT_S)
            if status:
                raise RuntimeError(f"Kafka Streams ended with status {status}: {worker.log[-2000:]}")
            reports = [json.loads(line) for line in worker.log.splitlines() if line.startswith('{"args"')]
        if not reports or not all(report["ok"] for report in reports):
            raise RuntimeError(f"Kafka Streams did not finish: {worker.log[-2000:]}")
        return reports

    @contextmanager
    def serving(self, where: Site, **arguments: object) -> Iterator[Worker]:
        """Let it process what comes, until the end of the block."""
        with self._running(where, {"mode": "serve", **arguments}) as worker:
            yield worker

    @contextmanager
    def _running(self, where: Site, arguments: dict[str, object]) -> Iterator[Worker]:
        run = uuid.uuid4().hex[:8]
        given = {
            "bs": where.bootstrap,
            "threads": 1,
            "dir": where.folder / f"streams-{run}",
            "results": where.folder / f"streams-{run}.jsonl",
            "stop": where.folder / f"streams-{run}.stop",
            **arguments,
        }
        command = [find_java()[0], *_HEAP, "-cp", f"{self.folder}/target/*:{self.folder}/target/lib/*"]
        told = [f"{name}={value}" for name, value in given.items()]
        with running([*command, "peer.FraudStreams", *told], {}, where, "streams") as worker:
            yield worker


def build() -> KafkaStreams:
    """Build the peer with Maven, once for each state of its source. Raises PeerAbsentError."""
    if not (_SOURCE / "pom.xml").is_file():
        raise PeerAbsentError("its source is not in ../shared/peers/kafka_streams")
    if shutil.which("mvn") is None:
        raise PeerAbsentError("it is built with Maven, and there is no mvn")
    target = _BUILT / f"kafka_streams-{_digest(_SOURCE)}"
    if not target.is_dir():
        _BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_BUILT) as scratch:
            _build_in(Path(scratch) / "peer", target)
    return KafkaStreams(folder=target)


def _build_in(folder: Path, target: Path) -> None:
    """All or nothing: `target` is there when it is whole."""
    folder.mkdir()
    shutil.copy(_SOURCE / "pom.xml", folder)
    shutil.copytree(_SOURCE / "src", folder / "src")
    done = subprocess.run(
        ["mvn", "-q", "-B", "package"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise PeerAbsentError(f"mvn package failed: {(done.stdout + done.stderr)[-500:]}")
    folder.rename(target)


def _digest(source: Path) -> str:
    files = [source / "pom.xml", *sorted((source / "src").rglob("*.java"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]
