"""Is this machine ready? One finding for each thing that a demo or a worker needs. Changes nothing."""

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

from aiokafka.protocol.admin import ApiVersionRequest

from app.broker_client import raw_client
from app.connection import Connection, connection_of
from app.local_broker.config import CLIENT_PORT, LocalServerError, port_problem
from app.local_broker.jars import DEFAULT_LIBS_DIR, find_java
from app.settings import RUN_DIR, Settings
from app.token_keys import token_keys_of
from app.topic_admin import MISSING, verify_topics
from app.topics import topics_of
from streaming.errors import ConfigError, PipelineError

Level = Literal["OK", "WARN", "FAIL"]

_OLDEST_PYTHON = (3, 11)
_PACKAGES = {"faust": "faust-streaming", "aiokafka": "aiokafka", "msgspec": "msgspec", "pyproj": "pyproj"}
_ROCKSDB = {"rocksdict": "rocksdict"}
_FETCH_API = 1
_LITTLE_SPACE_BYTES = 2 * 1024**3
_TOO_LITTLE_SPACE_BYTES = 200 * 1024**2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was seen; where it is not OK, what to do. FAIL: the demo cannot run."""

    level: Level
    name: str
    said: str


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything, in the order in which it is needed."""
    broker, topics = await _broker_and_topics(settings)
    return [
        _python(sys.version_info[:3]),
        _packages(_PACKAGES | (_ROCKSDB if settings.store == "rocksdb" else {})),
        *_local_kafka(is_needed=broker.level != "OK" and not settings.kafka_bootstrap),
        broker,
        *topics,
        _state_dir(Path(settings.state_dir or RUN_DIR / "state")),
        _disk_space(shutil.disk_usage(_existing(RUN_DIR)).free),
        _token_key(settings),
    ]


def _python(version: Iterable[int]) -> Finding:
    text = ".".join(map(str, version))
    if tuple(version) < _OLDEST_PYTHON:
        return Finding("FAIL", "Python", f"{text}: 3.11 or newer is needed")
    return Finding("OK", "Python", text)


def _packages(distributions: dict[str, str]) -> Finding:
    broken = {}
    for module, distribution in distributions.items():
        try:
            import_module(module)
        except ImportError as e:
            broken[distribution] = str(e)
    if broken:
        told = "; ".join(f"{name} ({reason})" for name, reason in broken.items())
        return Finding("FAIL", "packages", f"cannot be imported: {told}: run `make setup`")
    return Finding("OK", "packages", ", ".join(f"{d} {metadata.version(d)}" for d in distributions.values()))


def _local_kafka(*, is_needed: bool) -> list[Finding]:
    """Java and Maven, which only `python -m app kafka start` needs."""
    level: Level = "FAIL" if is_needed else "WARN"
    findings = []
    try:
        path, version = find_java()
        findings.append(Finding("OK", "Java", f"{version} ({path})"))
    except LocalServerError as e:
        findings.append(Finding(level, "Java", str(e)))
    if DEFAULT_LIBS_DIR.is_dir():
        findings.append(Finding("OK", "Maven", "not needed: Kafka's jars are there"))
    elif mvn := shutil.which("mvn"):
        findings.append(Finding("OK", "Maven", mvn))
    else:
        said = "no mvn, which fetches Kafka's jars: apt-get install maven, or docker compose up -d kafka"
        findings.append(Finding(level, "Maven", said))
    if is_needed and (reason := port_problem(CLIENT_PORT)):
        said = f"{CLIENT_PORT} cannot be used ({reason}): `python -m app kafka start` takes another"
        findings.append(Finding("WARN", "port", said))
    return findings


async def _broker_and_topics(settings: Settings) -> tuple[Finding, list[Finding]]:
    """The topics are looked at only where there is a broker."""
    try:
        connection = connection_of(settings)
        broker = Finding("OK", "broker", await _broker(connection))
        problems = await verify_topics(
            connection, topics_of(settings).all, partitions=settings.topic_partitions
        )
    except ConfigError as e:
        return Finding("FAIL", "broker", str(e)), []
    except PipelineError as e:
        # One that nobody named may be started in a moment; one that was named should be there.
        return Finding("FAIL" if settings.kafka_bootstrap else "WARN", "broker", str(e)), []
    if not problems:
        return broker, [Finding("OK", "topics", "all there, co-partitioned")]
    return broker, [Finding("WARN" if p.startswith(MISSING) else "FAIL", "topics", p) for p in problems]


async def _broker(connection: Connection) -> str:
    async with raw_client(connection) as client:
        brokers = len(client.cluster.brokers())
        versions = await client.send(client.get_random_node(), ApiVersionRequest())
    fetch_from = next(oldest for api, oldest, _ in versions.api_versions if api == _FETCH_API)
    # KIP-896: Kafka 4.0 took Fetch 0 to 3 away.
    release = "Kafka 4 or newer" if fetch_from >= 4 else "Kafka older than 4"
    return f"{connection.bootstrap}: {brokers} broker{'s' * (brokers != 1)}, {release}"


def _state_dir(path: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=_existing(path)):
            pass
    except OSError as e:
        said = f"{path} cannot be written ({e.strerror}): set SMARTBANK_STATE_DIR to a folder of your own"
        return Finding("FAIL", "state", said)
    return Finding("OK", "state", f"{path} can be written")


def _disk_space(free_bytes: int) -> Finding:
    said = f"{free_bytes / 1024**3:.1f} GiB free"
    if free_bytes < _TOO_LITTLE_SPACE_BYTES:
        return Finding("FAIL", "disk", f"{said}: a broker stops when its disk is full; make room")
    if free_bytes < _LITTLE_SPACE_BYTES:
        return Finding("WARN", "disk", f"{said}: enough for a demo, not for a load test")
    return Finding("OK", "disk", said)


def _token_key(settings: Settings) -> Finding:
    if settings.token_keys and not settings.token_key_file:
        try:
            token_keys_of(settings)
        except ConfigError as e:
            return Finding("FAIL", "token key", str(e))
        return Finding("OK", "token key", "in SMARTBANK_TOKEN_KEYS")
    if not settings.token_key_file:
        said = "a development key makes the tokens; set SMARTBANK_TOKEN_KEY_FILE before real data comes"
        return Finding("WARN", "token key", said)
    path = Path(settings.token_key_file)
    try:
        token_keys_of(settings)
    except ConfigError as e:
        return Finding("FAIL", "token key", str(e))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("WARN", "token key", f"others may read {path} ({mode:o}): chmod 600 {path}")
    return Finding("OK", "token key", f"{path}, for its owner only")


def _existing(path: Path) -> Path:
    """The path itself or the nearest folder above it that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
