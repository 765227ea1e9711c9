"""What a broker of this machine is told: listeners, ports, properties, users."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import socket
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from streaming.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from pathlib import Path

HOST: Final = "127.0.0.1"
CLIENT_PORT: Final = 9092
# Below Linux's ephemeral ports (32768 and up): the port of a stopped broker must not be handed to
# somebody's outgoing connection meanwhile.
FREE_PORTS: Final = range(20000, 32000)

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


class LocalServerError(ConfigError):
    """A server of this machine cannot be had; the message is one line and says what to do about it."""


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


def plain_broker(port: int | None = None) -> BrokerConfig:
    """Return a broker without authentication; port None: the one it had, else 9092, else a free one."""
    return BrokerConfig(listeners=(Listener(name="CLIENT", port=port, preferred_port=CLIENT_PORT),))


def server_properties(config: BrokerConfig, ports: Mapping[str, int], log_dir: Path) -> str:
    """Return the text of server.properties; `ports` has the port of every listener by its name.

    Raises LocalServerError if `config.properties` wants to say what follows from the listeners.
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
        raise LocalServerError(
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

    Raises LocalServerError for an explicit port that cannot be had.
    """
    chosen = {each.name: each.port for each in config.all_listeners if each.port is not None}
    for port in chosen.values():
        if reason := problem(port):
            raise LocalServerError(
                f"port {port} cannot be used ({reason}): give another, or none for a free one"
            )
    for each in config.all_listeners:
        if each.name not in chosen:
            wishes = (kept.get(each.name), each.preferred_port)
            taken = chosen.values()
            free = (port for port in wishes if port and port not in taken and not problem(port))
            chosen[each.name] = next(free, None) or any_free_port(taken, problem)
    return chosen


def any_free_port(taken: Container[int] = (), problem: Callable[[int], str | None] = port_problem) -> int:
    """Return a port on which nobody listens now. Raises LocalServerError where none is found."""
    for _ in range(1000):
        port = secrets.choice(FREE_PORTS)
        if port not in taken and not problem(port):
            return port
    raise LocalServerError(f"found no free port in {FREE_PORTS.start}-{FREE_PORTS.stop - 1}")


def format_arguments(config: BrokerConfig, properties: Path) -> list[str]:
    """Return what kafka.tools.StorageTool needs to format a new, random cluster. No password is in it."""
    added = [part for user in config.scram_users.items() for part in ("--add-scram", scram_credential(*user))]
    return ["format", f"--cluster-id={_random_cluster_id()}", "--config", str(properties), *added]


def scram_credential(name: str, password: str, *, iterations: int = 8192) -> str:
    """Return a user for StorageTool with the password salted and hashed, so that it can be any text.

    Given in clear it could have no comma in it, and an error message would quote it.
    """
    if not re.fullmatch(r"[\w.@-]+", name):
        raise LocalServerError(f"{name!r} is no name for a SCRAM user: letters, digits and . _ @ - only")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    told = f'iterations={iterations},salt="{_base64(salt)}",saltedpassword="{_base64(salted)}"'
    return f"SCRAM-SHA-512=[name={name},{told}]"


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def _random_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
