"""One Kafka broker (KRaft) of this machine without Docker, from Maven's jars: start, stop, status.

Linux, Java >= 17; Maven only until the jars are there. Everything is bound to 127.0.0.1.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

KAFKA_VERSION: Final = "4.1.1"  # deploy/kafka/pom.xml says it too; a test holds them equal
PROJECT_DIR: Final = Path(__file__).resolve().parent.parent
DEFAULT_DATA_DIR: Final = PROJECT_DIR / ".run" / "kafka"
DEFAULT_LIBS_DIR: Final = PROJECT_DIR / ".run" / f"kafka-{KAFKA_VERSION}" / "libs"
DEPLOY_DIR: Final = PROJECT_DIR / "deploy" / "kafka"
HOST: Final = "127.0.0.1"
CLIENT_PORT: Final = 9092
# Below Linux's ephemeral ports (32768 and up): the port of a stopped broker must not be handed to
# somebody's outgoing connection meanwhile.
FREE_PORTS: Final = range(20000, 32000)
POLL_INTERVAL_S: Final = 0.05

REMEDY: Final = "apt-get install openjdk-17-jre-headless maven, or use Docker: docker compose up -d kafka"
STARTED_LINE: Final = "Kafka Server started"
PORT_TAKEN_LINE: Final = "Address already in use"

DEFAULT_PROPERTIES: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Kafka's 50 are for clusters; here they would only slow down the first group and every restart.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # After kill -9 a broker is not let in again before its old session is over (Kafka: 9 s, 2 s).
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
}

Progress = Callable[[str], None]
StopOutcome = Literal["stopped", "killed", "not running"]


class LocalKafkaError(Exception):
    """The broker cannot be had; the message is one line and says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One port of the broker, bound to 127.0.0.1.

    With `port` None it is the first that is free of: the port of the run before, `preferred_port`, any.
    A `port` that is given is had or an error is raised.
    """

    name: str
    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    port: int | None = None
    preferred_port: int | None = None
    advertised_host: str = HOST
    """What clients are told to connect to; with TLS it must stand in the broker's certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """What a broker is; where its files lie is told to LocalKafka.

    The first listener is the one whose address clients are given. `properties` add to and override
    DEFAULT_PROPERTIES, but not what follows from the listeners. `scram_users` (name -> password,
    SCRAM-SHA-512) are written when the data directory is formatted: changing them later does nothing.
    """

    listeners: tuple[Listener, ...] = (Listener(name="CLIENT"),)
    controller: Listener = field(default_factory=lambda: Listener(name="CONTROLLER"))
    inter_broker_listener: str | None = None
    """None: the first of `listeners`."""
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    scram_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    jvm_options: tuple[str, ...] = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
    """Serial: on two cores it took a fifth less processor time than G1 and more records per second.
    Adding "-XX:TieredStopAtLevel=1" saves 0.8 s of each start and costs over a third of the throughput."""

    @property
    def all_listeners(self) -> tuple[Listener, ...]:
        """The clients' listeners and, last, the controller's."""
        return (*self.listeners, self.controller)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A broker that answers."""

    address: str
    """host:port for `bootstrap.servers`."""
    pid: int
    was_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a broker from outside."""

    pid: int | None
    """None: no process of ours."""
    address: str | None
    """host:port; None unless a start went well and nobody stopped the broker since."""
    is_answering: bool
    """The process lives, and its start went well, and it takes connections."""


def plain_broker(port: int | None = None) -> BrokerConfig:
    """Return a broker without authentication; port None: the one it had, else 9092, else a free one."""
    return BrokerConfig(listeners=(Listener(name="CLIENT", port=port, preferred_port=CLIENT_PORT),))


def server_properties(config: BrokerConfig, ports: Mapping[str, int], log_dir: Path) -> str:
    """Return the text of server.properties; `ports` has the port of every listener by its name.

    Raises LocalKafkaError if `config.properties` wants to say what follows from the listeners.
    """

    def joined(template: str, listeners: Sequence[Listener]) -> str:
        return ",".join(template.format(listener=each, port=ports[each.name]) for each in listeners)

    derived = {
        "listeners": joined(f"{{listener.name}}://{HOST}:{{port}}", config.all_listeners),
        "advertised.listeners": joined(
            "{listener.name}://{listener.advertised_host}:{port}", config.listeners
        ),
        "listener.security.protocol.map": joined("{listener.name}:{listener.protocol}", config.all_listeners),
        "inter.broker.listener.name": config.inter_broker_listener or config.listeners[0].name,
        "controller.listener.names": config.controller.name,
        "controller.quorum.voters": joined("1@{listener.advertised_host}:{port}", [config.controller]),
        "log.dirs": str(log_dir),
    }
    if clash := sorted(derived.keys() & config.properties.keys()):
        raise LocalKafkaError(
            f"{', '.join(clash)} cannot be set: it follows from the listeners and the data dir"
        )
    merged = {**DEFAULT_PROPERTIES, **config.properties, **derived}
    return "".join(f"{key}={_escaped(value)}\n" for key, value in merged.items())


def _escaped(value: str) -> str:
    # JSON's escapes (\\, \n, \uXXXX with surrogates) mean the same to java.util.Properties.
    text = json.dumps(value)[1:-1]
    return f"\\{text}" if text.startswith(" ") else text


def ports_of(properties: str) -> dict[str, int]:
    """Return the port of every listener by its name, from the text that server_properties gave."""
    line = re.search(r"^listeners=(.*)$", properties, re.MULTILINE)
    found = re.findall(r"([\w-]+)://[^,:]*:(\d+)", line[1]) if line else []
    return {name: int(port) for name, port in found}


def port_problem(port: int) -> str | None:
    """Return why nobody can listen on 127.0.0.1:`port` now, or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: TIME_WAIT is no obstacle
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as e:
            return getattr(e, "strerror", None) or str(e)
    return None


def choose_ports(
    config: BrokerConfig,
    kept: Mapping[str, int],
    problem: Callable[[int], str | None] = port_problem,
) -> dict[str, int]:
    """Return a port for every listener, as Listener promises; `kept` are those of the run before.

    Raises LocalKafkaError for an explicit port that cannot be had.
    """
    chosen = {each.name: each.port for each in config.all_listeners if each.port is not None}
    for port in chosen.values():
        if reason := problem(port):
            raise LocalKafkaError(
                f"port {port} cannot be used ({reason}): give another, or none for a free one"
            )
    for each in config.all_listeners:
        if each.name not in chosen:
            wishes = (kept.get(each.name), each.preferred_port)
            taken = chosen.values()
            free = (port for port in wishes if port and port not in taken and not problem(port))
            chosen[each.name] = next(free, None) or _any_free_port(taken, problem)
    return chosen


def _any_free_port(taken: Container[int], problem: Callable[[int], str | None]) -> int:
    for _ in range(1000):
        port = secrets.choice(FREE_PORTS)
        if port not in taken and not problem(port):
            return port
    raise LocalKafkaError(f"found no free port in {FREE_PORTS.start}-{FREE_PORTS.stop - 1}")


def last_words(log: str, lines: int = 3) -> str:
    """Return the last lines of a log as one, without Java's stack frames."""
    told = [
        line.strip() for line in log.splitlines() if line.strip() and not re.match(r"\s+(at |\.\.\. )", line)
    ]
    return " | ".join(told[-lines:]) or "(nothing was logged)"


def fetch_jars(libs_dir: Path, progress: Progress) -> None:
    """Copy Kafka's jars into `libs_dir` unless it exists. All or nothing, also for two processes at once."""
    if libs_dir.is_dir():
        return
    with _locked(libs_dir.parent / "lock"):
        if libs_dir.is_dir():
            return
        mvn = shutil.which("mvn")
        if mvn is None:
            raise LocalKafkaError(f"Kafka's jars are fetched with Maven, and there is no mvn: {REMEDY}")
        progress(f"fetching the jars of Kafka {KAFKA_VERSION} with Maven (54 MB, once)")
        with tempfile.TemporaryDirectory(dir=libs_dir.parent) as scratch:
            jars = Path(scratch) / "libs"
            # -C: a wrong checksum is an error.
            copy = [mvn, "-q", "-B", "-C", "-f", str(DEPLOY_DIR / "pom.xml"), "dependency:copy-dependencies"]
            _run([*copy, "-DincludeScope=runtime", f"-DoutputDirectory={jars}"], "mvn", timeout_s=900)
            jars.rename(libs_dir)


def find_java() -> tuple[str, str]:
    """Return path and version of the Java to use (JAVA_HOME, else PATH). Raises LocalKafkaError below 17."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        where = f" in JAVA_HOME ({home})" if home else ""
        raise LocalKafkaError(f"Kafka needs Java 17 or newer, and there is no java{where}: {REMEDY}")
    output = _run([java, "-version"], "java", timeout_s=30)
    version = re.search(r'version "((\d+)[^"]*)"', output)
    if version is None or int(version[2]) < 17:
        seen = version[1] if version else last_words(output)
        raise LocalKafkaError(f"Kafka needs Java 17 or newer, {java} is {seen}: {REMEDY}")
    return java, version[1]


def read_address(data_dir: Path = DEFAULT_DATA_DIR) -> str | None:
    """Return host:port of the broker that was started there; None after a stop. It may have crashed since."""
    return _text(data_dir / "address").strip() or None


class LocalKafka:
    """One broker in one data directory, in a process of its own that outlives ours.

    In `data_dir`: server.properties, data/ (there if and only if formatted), logs/, pid, address.
    Calls of several processes take turns (a file lock). A pid counts only if that process is our broker.
    """

    def __init__(
        self,
        data_dir: Path = DEFAULT_DATA_DIR,
        config: BrokerConfig | None = None,
        *,
        libs_dir: Path = DEFAULT_LIBS_DIR,
        progress: Progress = lambda _doing: None,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.config = config or plain_broker()
        self.libs_dir = libs_dir.resolve()
        self.log_path = self.data_dir / "logs" / "server.log"
        self._console_path = self.data_dir / "logs" / "console.log"  # what Java says itself
        self._properties_path = self.data_dir / "server.properties"
        self._pid_path = self.data_dir / "pid"
        self._address_path = self.data_dir / "address"
        self._storage_path = self.data_dir / "data"
        self._progress = progress

    def start(self, *, start_timeout_s: float = 60.0) -> Started:
        """Return when the broker answers; one that runs already is left as it is.

        A restart keeps the data and, where they are free, the ports; kill -9 before it does no harm.
        Raises LocalKafkaError, and leaves no process behind, if the broker ends early or does not answer in
        `start_timeout_s` (which does not count fetching the jars).
        """
        fetch_jars(self.libs_dir, self._progress)
        java, java_version = find_java()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(self.data_dir / "lock"):
            if (pid := self._pid()) is not None:
                return self._adopt(pid, start_timeout_s)
            if not self._storage_path.is_dir():
                self._progress("formatting the data directory")
                self._format(java)
            self._progress("waiting for the broker")
            for _ in range(2):
                with suppress(_PortLostError):
                    return self._launch(java, java_version, start_timeout_s)
            return self._launch(java, java_version, start_timeout_s)

    def stop(self, *, stop_timeout_s: float = 30.0) -> StopOutcome:
        """Return when the process is gone: SIGTERM, and SIGKILL after `stop_timeout_s`. The data stay."""
        if not self.data_dir.is_dir():
            return "not running"
        with _locked(self.data_dir / "lock"):
            pid = self._pid()
            outcome: StopOutcome = "not running" if pid is None else self._end(pid, stop_timeout_s)
            if outcome == "stopped":
                self._keep_class_archive()
            self._pid_path.unlink(missing_ok=True)
            self._address_path.unlink(missing_ok=True)
            return outcome

    def status(self) -> Status:
        """Look, change nothing, wait for nobody."""
        pid, address = self._pid(), read_address(self.data_dir)
        is_answering = pid is not None and address is not None and _accepts(int(address.rpartition(":")[2]))
        return Status(pid=pid, address=address, is_answering=is_answering)

    def _adopt(self, pid: int, start_timeout_s: float) -> Started:
        """Wait for a broker that somebody else started, perhaps without seeing it through."""
        ports = ports_of(_text(self._properties_path))
        first = self.config.listeners[0]
        if first.name not in ports or first.port not in (None, ports[first.name]):
            there = ", ".join(f"{name} at port {port}" for name, port in ports.items())
            raise LocalKafkaError(f"another broker runs already in {self.data_dir} ({there}): stop it first")
        self._wait_until_ready(pid, ports, start_timeout_s)
        return Started(address=self._publish_address(ports), pid=pid, was_running=True)

    def _format(self, java: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch_name:
            scratch = Path(scratch_name)
            storage, properties, arguments = (scratch / name for name in ("data", "properties", "arguments"))
            ports = choose_ports(self.config, {}, lambda _port: None)  # formatting opens none
            _write_private(properties, server_properties(self.config, ports, storage))
            # In a file, because everybody can read a command line.
            _write_private(arguments, "\n".join(format_arguments(self.config, properties)))
            options = [
                "-XX:TieredStopAtLevel=1",
                *self._log_options("format.log"),
                "-cp",
                f"{self.libs_dir}/*",
            ]
            command = [java, *options, "kafka.tools.StorageTool", f"@{arguments}"]
            _run(command, "formatting Kafka's data directory", timeout_s=120)
            storage.rename(self._storage_path)

    def _launch(self, java: str, java_version: str, start_timeout_s: float) -> Started:
        ports = choose_ports(self.config, ports_of(_text(self._properties_path)))
        _write_private(self._properties_path, server_properties(self.config, ports, self._storage_path))
        pid = self._spawn([java, *self._java_options(java_version)])
        try:
            self._wait_until_ready(pid, ports, start_timeout_s)
        except BaseException:  # Ctrl-C too: nobody would know of a broker that nobody waited for
            self._end(pid, stop_timeout_s=5.0)
            raise
        return Started(address=self._publish_address(ports), pid=pid, was_running=False)

    def _java_options(self, java_version: str) -> list[str]:
        """Everything behind `java`.

        The first stop leaves (4 s, once) an archive of the loaded classes beside the jars, for all brokers
        after it: 2.6 s to start instead of 4.1. Java ignores an archive that does not suit it.
        """
        name = f"classes-{java_version}.jsa"
        archive = self.libs_dir.parent / name
        sharing = (
            f"SharedArchiveFile={archive}"
            if archive.exists()
            else f"ArchiveClassesAtExit={self.data_dir / name}"
        )
        crash = ["-XX:+ExitOnOutOfMemoryError", f"-XX:ErrorFile={self.log_path.parent}/java-crash.log"]
        options = [*self.config.jvm_options, f"-XX:{sharing}", *crash, *self._log_options(self.log_path.name)]
        return [*options, "-cp", f"{self.libs_dir}/*", "kafka.Kafka", str(self._properties_path)]

    def _log_options(self, file_name: str) -> list[str]:
        names = {
            "log4j2.configurationFile": DEPLOY_DIR / "log4j2.properties",
            "kafka.logs.dir": self.log_path.parent,
            "kafka.log.file": file_name,
        }
        return [f"-D{key}={value}" for key, value in names.items()]

    def _spawn(self, command: list[str]) -> int:
        """Start the broker in a session of its own and note its pid. A new log; the last one is kept."""
        self.log_path.parent.mkdir(exist_ok=True)
        self._address_path.unlink(missing_ok=True)  # of a run that crashed
        for half_written in self.data_dir.glob("classes-*.jsa"):
            half_written.unlink()
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_name("server-before.log"))
        console_flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        # Not subprocess.Popen: its object would complain about a child that is meant to outlive us.
        pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._console_path), console_flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        # The kernel lets us go on before it has set the child's command line, by which we know it.
        while not _command_line(pid) and os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.001)
        _write_private(self._pid_path, f"{pid}\n")
        return pid

    def _wait_until_ready(self, pid: int, ports: Mapping[str, int], start_timeout_s: float) -> None:
        deadline_s = time.monotonic() + start_timeout_s
        while not (self._says_it_started() and all(map(_accepts, ports.values()))):
            if self._pid() != pid:
                log = _text(self.log_path)
                if PORT_TAKEN_LINE in log:
                    raise _PortLostError(f"a port was taken while Kafka started: {last_words(log)}")
                words = last_words(_text(self._console_path) + log)
                raise LocalKafkaError(
                    f"Kafka ended while it started: {words} (more in {self.log_path.parent})"
                )
            if time.monotonic() > deadline_s:
                words = last_words(_text(self.log_path))
                raise LocalKafkaError(f"Kafka (pid {pid}) is not ready after {start_timeout_s:g} s: {words}")
            time.sleep(POLL_INTERVAL_S)

    def _says_it_started(self) -> bool:
        # The address is there from then on; the log is rolled over some day.
        return self._address_path.exists() or STARTED_LINE in _text(self.log_path)

    def _publish_address(self, ports: Mapping[str, int]) -> str:
        first = self.config.listeners[0]
        address = f"{first.advertised_host}:{ports[first.name]}"
        _write_private(self._address_path, f"{address}\n")
        return address

    def _pid(self) -> int | None:
        """Return the pid of our living broker; the file can be stale, its number somebody else's by now."""
        text = _text(self._pid_path).strip()
        if not text.isdecimal():
            return None
        is_ours = _command_line(int(text))[-2:] == ["kafka.Kafka", str(self._properties_path)]
        return int(text) if is_ours else None

    def _end(self, pid: int, stop_timeout_s: float) -> Literal["stopped", "killed"]:
        outcome: Literal["stopped", "killed"] = "stopped"
        _signal(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + stop_timeout_s
        while self._pid() == pid:
            if time.monotonic() > deadline_s:
                _signal(pid, signal.SIGKILL)
                outcome = "killed"
            time.sleep(POLL_INTERVAL_S)
        with suppress(ChildProcessError):  # started by an earlier command: not ours to reap
            os.waitpid(pid, os.WNOHANG)
        return outcome

    def _keep_class_archive(self) -> None:
        for fresh in self.data_dir.glob("classes-*.jsa"):
            with tempfile.TemporaryDirectory(dir=self.libs_dir.parent) as scratch:
                # A copy, then a rename: the two directories may lie on different file systems, and a
                # broker that starts now must see all of the archive or none.
                Path(shutil.copy(fresh, scratch)).replace(self.libs_dir.parent / fresh.name)
            fresh.unlink()


class _PortLostError(LocalKafkaError):
    """A free port was somebody else's before Java bound it: choose again."""


def format_arguments(config: BrokerConfig, properties: Path) -> list[str]:
    """Return what kafka.tools.StorageTool needs to format a new, random cluster. No password is in it."""
    added = [part for user in config.scram_users.items() for part in ("--add-scram", scram_credential(*user))]
    return ["format", f"--cluster-id={_random_cluster_id()}", "--config", str(properties), *added]


def scram_credential(name: str, password: str, *, iterations: int = 8192) -> str:
    """Return a user for StorageTool with the password salted and hashed, so that it can be any text.

    Given in clear it could have no comma in it, and an error message would quote it.
    """
    if not re.fullmatch(r"[\w.@-]+", name):
        raise LocalKafkaError(f"{name!r} is no name for a SCRAM user: letters, digits and . _ @ - only")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    told = f'iterations={iterations},salt="{_base64(salt)}",saltedpassword="{_base64(salted)}"'
    return f"SCRAM-SHA-512=[name={name},{told}]"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _random_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def _run(command: list[str], what: str, *, timeout_s: float) -> str:
    """Return what a command said; a failure is a LocalKafkaError of one line that quotes the end of it."""
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
        )
    except subprocess.TimeoutExpired as e:
        raise LocalKafkaError(f"{what} took more than {timeout_s:g} s") from e
    if done.returncode:
        raise LocalKafkaError(f"{what} failed with status {done.returncode}: {last_words(done.stdout)}")
    return done.stdout


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _command_line(pid: int) -> list[str]:
    """Return the arguments of a process; empty if there is none, or only a zombie of it."""
    return _text(Path("/proc") / str(pid) / "cmdline").split("\0")[:-1]


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _write_private(path: Path, text: str) -> None:
    """Replace a file at once; only its owner can read it, for properties can hold passwords."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
        file.write(text)
    Path(file.name).replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # freed when the file is closed, also by a crash
        yield
