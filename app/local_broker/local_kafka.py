"""One Kafka broker (KRaft) of this machine without Docker, from Maven's jars: start, stop, status.

Linux, Java >= 17; Maven only until the jars are there. Everything is bound to 127.0.0.1.
"""

from __future__ import annotations

import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from app.local_broker.config import (
    HOST,
    BrokerConfig,
    LocalServerError,
    choose_ports,
    format_arguments,
    plain_broker,
    ports_of,
    server_properties,
)
from app.local_broker.jars import (
    DEFAULT_LIBS_DIR,
    DEPLOY_DIR,
    Progress,
    class_archive_option,
    drop_class_archives,
    fetch_jars,
    find_java,
    keep_class_archives,
    last_words,
    run_command,
)
from app.local_broker.process import POLL_INTERVAL_S, BrokerProcess
from app.local_broker.run_files import locked, text_of, write_private
from app.settings import RUN_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_DATA_DIR: Final = RUN_DIR / "kafka"
STARTED_LINE: Final = "Kafka Server started"
PORT_TAKEN_LINE: Final = "Address already in use"

StopOutcome = Literal["stopped", "killed", "not running"]


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


def read_address(data_dir: Path = DEFAULT_DATA_DIR) -> str | None:
    """Return host:port of the broker that was started there; None after a stop. It may have crashed since."""
    return text_of(data_dir / "address").strip() or None


@contextmanager
def _os_errors_told() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise LocalServerError(f"{e.strerror or e}: {e.filename or 'the local Kafka'}") from e


class LocalKafka:
    """One broker in one data directory, in a process of its own that outlives ours.

    In `data_dir`: server.properties, data/ (there if and only if formatted), logs/, pid, address.
    Calls of several processes take turns (a file lock). All that goes wrong is a LocalServerError.
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
        self._process = BrokerProcess(
            self.data_dir / "pid", command_end=("kafka.Kafka", str(self._properties_path))
        )
        self._address_path = self.data_dir / "address"
        self._storage_path = self.data_dir / "data"
        self._progress = progress

    @_os_errors_told()
    def start(self, *, start_timeout_s: float = 60.0) -> Started:
        """Return when the broker answers; one that runs already is left as it is.

        A restart keeps the data and, where they are free, the ports; kill -9 before it does no harm.
        Raises LocalServerError, and leaves no process behind, if the broker ends early or does not answer in
        `start_timeout_s` (which does not count fetching the jars).
        """
        fetch_jars(self.libs_dir, self._progress)
        java, java_version = find_java()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.data_dir / "lock"):
            if (pid := self._process.pid()) is not None:
                return self._adopt(pid, start_timeout_s)
            if not self._storage_path.is_dir():
                self._progress("formatting the data directory")
                self._format(java)
            self._progress("waiting for the broker")
            for _ in range(2):
                with suppress(_PortLostError):
                    return self._launch(java, java_version, start_timeout_s)
            return self._launch(java, java_version, start_timeout_s)

    @_os_errors_told()
    def stop(self, *, stop_timeout_s: float = 30.0) -> StopOutcome:
        """Return when the process is gone: SIGTERM, and SIGKILL after `stop_timeout_s`. The data stay."""
        if not self.data_dir.is_dir():
            return "not running"
        with locked(self.data_dir / "lock"):
            pid = self._process.pid()
            outcome: StopOutcome = "not running" if pid is None else self._process.end(pid, stop_timeout_s)
            if outcome == "stopped":
                keep_class_archives(self.libs_dir, made_in=self.data_dir)
            self._process.forget()
            self._address_path.unlink(missing_ok=True)
            return outcome

    @_os_errors_told()
    def status(self) -> Status:
        """Look, change nothing, wait for nobody."""
        pid, address = self._process.pid(), read_address(self.data_dir)
        is_answering = pid is not None and address is not None and _accepts(int(address.rpartition(":")[2]))
        return Status(pid=pid, address=address, is_answering=is_answering)

    def _adopt(self, pid: int, start_timeout_s: float) -> Started:
        """Wait for a broker that somebody else started, perhaps without seeing it through."""
        ports = ports_of(text_of(self._properties_path))
        first = self.config.listeners[0]
        if first.name not in ports or first.port not in (None, ports[first.name]):
            there = ", ".join(f"{name} at port {port}" for name, port in ports.items())
            raise LocalServerError(f"another broker runs already in {self.data_dir} ({there}): stop it first")
        self._wait_until_ready(pid, ports, start_timeout_s)
        return Started(address=self._publish_address(ports), pid=pid, was_running=True)

    def _format(self, java: str) -> None:
        with tempfile.TemporaryDirectory(dir=self.data_dir) as scratch_name:
            scratch = Path(scratch_name)
            storage, properties, arguments = (scratch / name for name in ("data", "properties", "arguments"))
            ports = choose_ports(self.config, {}, lambda _port: None)  # formatting opens none
            write_private(properties, server_properties(self.config, ports, storage))
            # In a file, because everybody can read a command line.
            write_private(arguments, "\n".join(format_arguments(self.config, properties)))
            options = [
                "-XX:TieredStopAtLevel=1",
                *self._log_options("format.log"),
                "-cp",
                f"{self.libs_dir}/*",
            ]
            command = [java, *options, "kafka.tools.StorageTool", f"@{arguments}"]
            run_command(command, "formatting Kafka's data directory", timeout_s=120)
            storage.rename(self._storage_path)

    def _launch(self, java: str, java_version: str, start_timeout_s: float) -> Started:
        ports = choose_ports(self.config, ports_of(text_of(self._properties_path)))
        write_private(self._properties_path, server_properties(self.config, ports, self._storage_path))
        self._tidy_up()
        pid = self._process.spawn([java, *self._java_options(java_version)], self._console_path)
        try:
            self._wait_until_ready(pid, ports, start_timeout_s)
        except BaseException:  # Ctrl-C too: nobody would know of a broker that nobody waited for
            self._process.end(pid, stop_timeout_s=5.0)
            raise
        return Started(address=self._publish_address(ports), pid=pid, was_running=False)

    def _java_options(self, java_version: str) -> list[str]:
        """What stands between `java` and the class to run."""
        return [
            *self.config.jvm_options,
            class_archive_option(java_version, self.libs_dir, made_in=self.data_dir),
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.log_path.parent}/java-crash.log",
            *self._log_options(self.log_path.name),
            "-cp",
            f"{self.libs_dir}/*",
        ]

    def _log_options(self, file_name: str) -> list[str]:
        names = {
            "log4j2.configurationFile": DEPLOY_DIR / "log4j2.properties",
            "kafka.logs.dir": self.log_path.parent,
            "kafka.log.file": file_name,
        }
        return [f"-D{key}={value}" for key, value in names.items()]

    def _tidy_up(self) -> None:
        """Make room for a new run. A new log; the last one is kept."""
        self.log_path.parent.mkdir(exist_ok=True)
        self._address_path.unlink(missing_ok=True)  # of a run that crashed
        drop_class_archives(made_in=self.data_dir)  # half-written ones, after a crash
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_name("server-before.log"))

    def _wait_until_ready(self, pid: int, ports: Mapping[str, int], start_timeout_s: float) -> None:
        deadline_s = time.monotonic() + start_timeout_s
        while not (self._says_it_started() and all(map(_accepts, ports.values()))):
            if self._process.pid() != pid:
                log = text_of(self.log_path)
                if PORT_TAKEN_LINE in log:
                    raise _PortLostError(f"a port was taken while Kafka started: {last_words(log)}")
                words = last_words(text_of(self._console_path) + log)
                raise LocalServerError(
                    f"Kafka ended while it started: {words} (more in {self.log_path.parent})"
                )
            if time.monotonic() > deadline_s:
                words = last_words(text_of(self.log_path))
                raise LocalServerError(f"Kafka (pid {pid}) is not ready after {start_timeout_s:g} s: {words}")
            time.sleep(POLL_INTERVAL_S)

    def _says_it_started(self) -> bool:
        # The address is there from then on; the log is rolled over some day.
        return self._address_path.exists() or STARTED_LINE in text_of(self.log_path)

    def _publish_address(self, ports: Mapping[str, int]) -> str:
        first = self.config.listeners[0]
        address = f"{first.advertised_host}:{ports[first.name]}"
        write_private(self._address_path, f"{address}\n")
        return address


class _PortLostError(LocalServerError):
    """A free port was somebody else's before Java bound it: choose again."""


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
