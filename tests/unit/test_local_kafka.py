"""What a local broker is told, and what is said where Java, Maven or a port is missing."""

from __future__ import annotations

import os
import socket
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from app.local_broker.config import (
    FREE_PORTS,
    BrokerConfig,
    Listener,
    LocalServerError,
    choose_ports,
    format_arguments,
    plain_broker,
    port_problem,
    ports_of,
    server_properties,
)
from app.local_broker.jars import DEPLOY_DIR, KAFKA_VERSION, fetch_jars, find_java, last_words
from app.local_broker.local_kafka import LocalKafka, read_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORTS = {"CLIENT": 9092, "CONTROLLER": 9093}


def busy(*ports: int) -> Callable[[int], str | None]:
    """Return a `problem` for which these ports are taken and all others free."""
    return lambda port: "Address already in use" if port in ports else None


def as_dict(properties: str) -> dict[str, str]:
    """Read what server_properties wrote."""
    return dict(line.split("=", 1) for line in properties.splitlines())


def executable(path: Path, script: str) -> None:
    """Write a shell script that stands for a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# ── server.properties ──────────────────────────────────────────────────────────────────────────────


def test_a_plain_broker_is_bound_to_the_loopback_and_creates_no_topics_by_itself(tmp_path: Path) -> None:
    """The text is what a single KRaft node needs, and nothing listens to the world."""
    told = as_dict(server_properties(plain_broker(), PORTS, tmp_path / "data"))
    assert told["listeners"] == "CLIENT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
    assert told["advertised.listeners"] == "CLIENT://127.0.0.1:9092"
    assert told["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert told["inter.broker.listener.name"] == "CLIENT"
    assert told["auto.create.topics.enable"] == "false"
    assert told["log.dirs"] == str(tmp_path / "data")


def test_listeners_carry_their_protocol_and_advertised_host(tmp_path: Path) -> None:
    """A secured broker is only other listeners and other properties."""
    config = BrokerConfig(
        listeners=(
            Listener(name="CLIENT", protocol="SASL_SSL", advertised_host="localhost"),
            Listener(name="MTLS", protocol="SSL", advertised_host="localhost"),
        ),
        controller=Listener(name="CONTROLLER", protocol="SSL", advertised_host="localhost"),
        inter_broker_listener="MTLS",
        properties={"ssl.keystore.type": "PEM", "node.id": "1"},
    )
    told = as_dict(server_properties(config, {"CLIENT": 1, "MTLS": 2, "CONTROLLER": 3}, tmp_path))
    assert told["listeners"] == "CLIENT://127.0.0.1:1,MTLS://127.0.0.1:2,CONTROLLER://127.0.0.1:3"
    assert told["advertised.listeners"] == "CLIENT://localhost:1,MTLS://localhost:2"
    assert told["listener.security.protocol.map"] == "CLIENT:SASL_SSL,MTLS:SSL,CONTROLLER:SSL"
    assert told["controller.quorum.voters"] == "1@localhost:3"
    assert told["inter.broker.listener.name"] == "MTLS"
    assert told["ssl.keystore.type"] == "PEM"


def test_properties_override_the_defaults(tmp_path: Path) -> None:
    """The caller has the last word over what is only a default."""
    config = BrokerConfig(properties={"auto.create.topics.enable": "true"})
    assert as_dict(server_properties(config, PORTS, tmp_path))["auto.create.topics.enable"] == "true"


def test_properties_cannot_contradict_the_listeners(tmp_path: Path) -> None:
    """Two places for one truth would let the address that we publish be wrong."""
    with pytest.raises(LocalServerError, match="listeners cannot be set"):
        server_properties(BrokerConfig(properties={"listeners": "X://:1"}), PORTS, tmp_path)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("RULE:^CN=([^,]+).*$/$1/,DEFAULT", "RULE:^CN=([^,]+).*$/$1/,DEFAULT"),  # as it is
        ("a\\b", "a\\\\b"),  # Java would take the backslash as its own
        ("a\nb", "a\\nb"),  # or begin a new property
        (" a", "\\ a"),  # or drop the blank
        ("/home/Jürgen", "/home/J\\u00fcrgen"),  # or read Latin-1
        ("\N{BANK}", "\\ud83c\\udfe6"),  # in UTF-16, as Java has it
    ],
)
def test_values_reach_java_as_they_were(tmp_path: Path, value: str, written: str) -> None:
    """What java.util.Properties.load would change is escaped; its documentation is the oracle."""
    config = BrokerConfig(properties={"some.key": value})
    assert f"\nsome.key={written}\n" in server_properties(config, PORTS, tmp_path)


def test_secrets_are_not_in_the_repr() -> None:
    """A config may be logged."""
    config = BrokerConfig(properties={"ssl.key.password": "hush"}, scram_users={"a": "hush"})
    assert "hush" not in repr(config)


# ── ports ──────────────────────────────────────────────────────────────────────────────────────────


def test_ports_are_found_again_in_the_text(tmp_path: Path) -> None:
    """A restart learns its ports from the server.properties of the run before."""
    assert ports_of(server_properties(plain_broker(), PORTS, tmp_path)) == PORTS
    assert ports_of("") == {}


@pytest.mark.parametrize(
    ("config", "kept", "taken", "expected"),
    [
        (plain_broker(), {}, (), 9092),  # the port that everybody expects
        (plain_broker(), {"CLIENT": 9500}, (), 9500),  # a restart keeps its own
        (plain_broker(), {"CLIENT": 9500}, (9500,), 9092),
        (plain_broker(9600), {"CLIENT": 9500}, (), 9600),  # the caller's word counts most
        (plain_broker(), {"CONTROLLER": 9092}, (), 9092),  # kept by one listener, preferred by another
    ],
)
def test_the_first_free_wish_is_had(
    config: BrokerConfig, kept: dict[str, int], taken: tuple[int, ...], expected: int
) -> None:
    """Explicit, then kept, then preferred."""
    ports = choose_ports(config, kept, busy(*taken))
    assert ports["CLIENT"] == expected
    assert ports["CONTROLLER"] != expected


def test_a_free_port_is_taken_where_9092_is_busy() -> None:
    """Another Kafka on the machine is no obstacle, and no two listeners share a port."""
    ports = choose_ports(plain_broker(), {}, busy(9092))
    assert set(ports) == {"CLIENT", "CONTROLLER"}
    assert all(port in FREE_PORTS for port in ports.values())
    assert len(set(ports.values())) == 2


def test_an_explicit_port_that_is_busy_is_an_error() -> None:
    """Never another one in silence."""
    with pytest.raises(LocalServerError, match="port 9600 cannot be used"):
        choose_ports(plain_broker(9600), {}, busy(9600))


def test_where_nothing_is_free_there_is_an_error() -> None:
    """And no endless search."""
    with pytest.raises(LocalServerError, match="no free port"):
        choose_ports(plain_broker(), {}, lambda _port: "taken")


def test_a_listening_socket_makes_a_port_busy_and_closing_it_makes_it_free() -> None:
    """The question is asked of the kernel, so it also sees a listener on all addresses."""
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 the case is a server that listens everywhere
        other.listen()
        port = other.getsockname()[1]
        assert port_problem(port)
    assert port_problem(port) is None
    assert port_problem(70000)


# ── the process ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "content", [None, "", "garbage", "99999999", pytest.param(f"{os.getpid()}\n", id="our own"), "1"]
)
def test_a_stale_pid_file_is_nobody(tmp_path: Path, content: str | None) -> None:
    """Whatever lives under that number now is not our broker, and is left alone."""
    if content is not None:
        (tmp_path / "pid").write_text(content)
        (tmp_path / "address").write_text("127.0.0.1:9\n")
    broker = LocalKafka(tmp_path)
    assert broker.status().pid is None
    assert not broker.status().is_answering
    assert broker.stop() == "not running"
    assert not (tmp_path / "pid").exists()
    assert read_address(tmp_path) is None


def test_stop_and_status_of_what_never_was_create_nothing(tmp_path: Path) -> None:
    """They are questions."""
    broker = LocalKafka(tmp_path / "never")
    assert broker.stop() == "not running"
    assert broker.status().address is None
    assert not (tmp_path / "never").exists()


def test_the_last_words_leave_out_stack_frames() -> None:
    """One line, with the causes in it."""
    log = "INFO a\nERROR b\njava.lang.X: c\n\tat d.e(F.java:1)\nCaused by: g\n\t... 3 more\n\n"
    assert last_words(log) == "ERROR b | java.lang.X: c | Caused by: g"
    assert last_words("") == "(nothing was logged)"


def test_the_formatter_is_given_no_password(tmp_path: Path) -> None:
    """Any text can be one, and nothing that the formatter says can quote it."""
    *_, flag, user = format_arguments(BrokerConfig(scram_users={"faust": "a,b]=c"}), tmp_path / "p")
    assert flag == "--add-scram"
    assert user.startswith("SCRAM-SHA-512=[name=faust,iterations=8192,salt=")
    assert "a,b" not in user
    with pytest.raises(LocalServerError, match="no name for a SCRAM user"):
        format_arguments(BrokerConfig(scram_users={"a,b": "c"}), tmp_path / "p")


# ── Java and Maven ─────────────────────────────────────────────────────────────────────────────────


def test_the_version_is_the_pom_s() -> None:
    """The directory of the jars is named by it."""
    assert f"<kafka.version>{KAFKA_VERSION}</kafka.version>" in (DEPLOY_DIR / "pom.xml").read_text()


@pytest.mark.parametrize("script", [None, "echo 'openjdk version \"11.0.2\"' >&2", "echo no"])
def test_without_java_17_the_error_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    """The message is one line that can be followed."""
    if script is not None:
        executable(tmp_path / "bin" / "java", script)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(LocalServerError, match=r"17 or newer.*apt-get install.*docker compose") as e:
        find_java()
    assert "\n" not in str(e.value)


def test_java_home_goes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a machine with an old Java can run the broker."""
    java = tmp_path / "bin" / "java"
    executable(java, "echo Picked up JAVA_TOOL_OPTIONS >&2; echo 'openjdk version \"25.0.2\" 2026' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java() == (str(java), "25.0.2")


def test_without_maven_the_error_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same remedy as for Java."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalServerError, match="no mvn: apt-get install"):
        fetch_jars(tmp_path / "kafka" / "libs", lambda _doing: None)


def test_maven_is_not_needed_once_the_jars_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network can restart its broker."""
    monkeypatch.setenv("PATH", str(tmp_path))
    fetch_jars(tmp_path, lambda _doing: None)


def test_a_failed_fetch_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a set of jars must not look like a whole one."""
    executable(
        tmp_path / "bin" / "mvn", 'mkdir "${8#*=}"; echo one > "${8#*=}/one.jar"; echo no network; exit 1'
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(LocalServerError, match="mvn failed with status 1: no network"):
        fetch_jars(tmp_path / "kafka" / "libs", lambda _doing: None)
    assert [path.name for path in (tmp_path / "kafka").iterdir()] == ["lock"]


def test_two_fetches_at_once_run_maven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first and finds its jars."""
    runs = tmp_path / "runs"
    fetched = 'for a; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done; mkdir "$d"; : > "$d/a.jar"'
    executable(tmp_path / "bin" / "mvn", f"echo run >> {runs}; sleep 0.3; {fetched}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    libs = tmp_path / "kafka" / "libs"
    both = [threading.Thread(target=fetch_jars, args=(libs, lambda _doing: None)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(timeout=10)
    assert runs.read_text() == "run\n"
    assert [path.name for path in libs.iterdir()] == ["a.jar"]
