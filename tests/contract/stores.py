"""The stores that keep the contract, each with a real server: what a test can do to them."""

from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Self

from models.anonymized_transaction import AnonymizedTransaction
from sinks.base import Sink
from sinks.mongodb import MongoOptions, MongoSink
from tests.services.mongodb import MongoServer


class Store(ABC):
    """A running store, and sinks that write to it. `None` where a store has no such thing."""

    name: str
    lacks: ClassVar[frozenset[str]] = frozenset()
    """What it has not, so that no test can take it away: connections, process, quota, passwords, bad rows
    (it takes all that can be read), reading (`privacy audit` reads its rows elsewhere)."""
    port: int | None
    """Where its server listens."""

    @classmethod
    @abstractmethod
    def start(cls, folder: Path) -> Self:
        """Start it."""

    @abstractmethod
    def stop(self) -> None:
        """Stop it, and all that was started for it."""

    @abstractmethod
    def sink(self, *, port: int | None = None, password: str | None = None, timeout_s: float = 10.0) -> Sink:
        """A sink of its own: by another port (a proxy), with another password."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Those of `worker sink NAME`, by their names in Settings."""

    @abstractmethod
    def clear(self) -> None:
        """Take everything out, the schema included."""

    @abstractmethod
    def tokens(self) -> Counter[str]:
        """How often each row is there, read with another client than the sink's."""

    @abstractmethod
    def spoil(self, row: AnonymizedTransaction) -> AnonymizedTransaction | None:
        """The row made such that the store refuses it for good; its token may be another."""

    @abstractmethod
    def kill(self) -> bool:
        """Send its server kill -9; False where it has none."""

    @abstractmethod
    def revive(self) -> None:
        """Start it again, with what it kept."""

    @abstractmethod
    def fill_disk(self) -> bool:
        """Let it run out of space; False where that cannot be provoked."""

    @abstractmethod
    def free_disk(self) -> None:
        """Give it space again, as an operator would."""


class MongoStore(Store):
    """MongoDB's stand-in."""

    name = "mongodb"
    _DATABASE = "bank"

    def __init__(self, server: MongoServer) -> None:
        self._server = server
        self.port = server.port

    @classmethod
    def start(cls, folder: Path) -> Self:
        """One server for a module."""
        return cls(MongoServer(folder).__enter__())

    def stop(self) -> None:
        """SIGTERM."""
        self._server.stop()

    def sink(self, *, port: int | None = None, password: str | None = None, timeout_s: float = 10.0) -> Sink:
        """With the test's user."""
        uri = self._server.uri(port) if password is None else self._server.uri(port, password)
        return MongoSink(MongoOptions(uri=uri, database=self._DATABASE, ttl_days=0, timeout_s=timeout_s))

    def settings(self) -> dict[str, str]:
        """With the test's user."""
        return {"mongodb_uri": self._server.uri(), "mongodb_database": self._DATABASE}

    def clear(self) -> None:
        """No database is left."""
        with self._server.client() as client:
            client.drop_database(self._DATABASE)

    def tokens(self) -> Counter[str]:
        """By PyMongo."""
        with self._server.client() as client:
            found: Any = client[self._DATABASE].transactions.find({}, {"_id": 1})
            return Counter(each["_id"] for each in found)

    def spoil(self, row: AnonymizedTransaction) -> AnonymizedTransaction:
        """The validator wants a token."""
        return type(row)(**{**{f: getattr(row, f) for f in row.__struct_fields__}, "row_token": ""})

    def kill(self) -> bool:
        """Kill -9."""
        self._server.kill()
        return True

    def revive(self) -> None:
        """On its old port."""
        self._server.start()

    def fill_disk(self) -> bool:
        """Every further write to its files fails."""
        self._server.limit_files()
        return True

    def free_disk(self) -> None:
        """Its storage engine goes on only after a restart, as mongod's does."""
        self._server.kill()
        self._server.start()
