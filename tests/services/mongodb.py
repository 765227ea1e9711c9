"""A MongoDB server for tests: SecantusDB, which speaks MongoDB's protocol, validators and plans included.

It is no mongod: a replica set of one that says majority at once, slower by far, with plans of its own. What a
test proves with it is that requests, errors and documents are right, not what mongod does with a dead disk.
"""

import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from pymongo import MongoClient

from tests.pipeline import wait_until

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0

USER, PASSWORD = "sink", "s3cret-of-the-sink"


class MongoServer:
    """A server on a free port of its own, with one user; a context manager.

    `sync` makes it answer only when its log is on disk, as mongod does with j=true. Without it, what it has
    acknowledged outlives the process, though not the machine.
    """

    def __init__(self, folder: Path, *, sync: bool = False) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._sync = sync
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of its process, while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> Self:
        """Start it, with what it kept; return when it answers."""
        self._run("--auth")
        return self

    def kill(self) -> None:
        """Send it kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """SIGSTOP: it takes connections, and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def limit_files(self, most_bytes: int = 64 * 1024) -> None:
        """Let its files grow no more: to it, the disk is full."""
        assert self._process is not None
        resource.prlimit(
            self._process.pid,
            resource.RLIMIT_FSIZE,
            (most_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1]),
        )

    def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(_STOP_TIMEOUT_S)
            self._process = None

    def uri(self, port: int | None = None, password: str = PASSWORD) -> str:
        """How the user connects; by another port where there is a proxy.

        Directly: the server's own answer would name its real port.
        """
        return f"mongodb://{USER}:{password}@127.0.0.1:{port or self.port}/?directConnection=true"

    def client(self) -> "MongoClient[dict[str, object]]":
        """A client of the test's own: PyMongo, not what the sink uses."""
        return MongoClient(self.uri(), serverSelectionTimeoutMS=5000)

    def __enter__(self) -> Self:
        self._run()  # the user is made while nobody needs a password
        client: MongoClient[dict[str, object]]
        with MongoClient(f"mongodb://127.0.0.1:{self.port}/") as client:
            client.admin.command("createUser", USER, pwd=PASSWORD, roles=["root"])
        self.stop()
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, *more: str) -> None:
        command = [
            *(str(Path(sys.executable).with_name("secantusd-py")), "--host", "127.0.0.1"),
            *("--port", str(self.port), "--storage-path", str(self.folder / "data")),
            *(
                "--log-level",
                "WARNING",
                "--cache-size",
                "256M",
                *(["--sync-on-commit"] if self._sync else []),
            ),
            *more,
        ]
        with (self.folder / "mongodb.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        wait_until(self._answers, _START_TIMEOUT_S, "the MongoDB server listens")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "mongodb.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True
