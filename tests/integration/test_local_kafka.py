"""The local broker and its commands, with the real Kafka; each test has its own data directory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from app.local_broker import local_kafka
from app.local_broker.config import BrokerConfig, Listener, LocalServerError, choose_ports, ports_of
from app.local_broker.jars import DEFAULT_LIBS_DIR, fetch_jars, find_java
from app.local_broker.local_kafka import LocalKafka, read_address
from app.settings import PROJECT_DIR
from tests.secured_kafka import FAST, make_pki, secured_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.kafka

TOPIC = "records"


@pytest.fixture(scope="module", autouse=True)
def _kafka_can_be_had() -> None:
    """Skip where it cannot; in CI that is a failure."""
    try:
        find_java()
        fetch_jars(DEFAULT_LIBS_DIR, lambda _doing: None)
    except LocalServerError as e:
        if "CI" in os.environ:
            raise
        pytest.skip(str(e))


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., LocalKafka]]:
    """Make a LocalKafka over the test's data directory; what runs there in the end is stopped."""

    def make(config: BrokerConfig = FAST) -> LocalKafka:
        return LocalKafka(tmp_path / "kafka", config)

    yield make
    make().stop()


async def create_topic(address: str, **security: object) -> None:
    """Create the topic of these tests, one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address, **security)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def produce(address: str, value: bytes, **security: object) -> None:
    """Return when the broker has acknowledged one record."""
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", **security)
    try:  # not `async with`: a start that fails would leave it unclosed
        await producer.start()
        await asyncio.wait_for(producer.send_and_wait(TOPIC, value), timeout=20)
    finally:
        await producer.stop()


async def consume(address: str, count: int) -> list[bytes]:
    """Read this many records from the beginning."""
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        consumer.assign([TopicPartition(TOPIC, 0)])
        await consumer.seek_to_beginning()
        return [(await asyncio.wait_for(consumer.getone(), timeout=20)).value for _ in range(count)]


def kafka_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m app kafka …` as a process of its own, as a shell does."""
    program = [sys.executable, "-m", "app", "kafka", *map(str, arguments)]
    return subprocess.run(program, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=120, check=False)


def test_start_is_idempotent_and_a_restart_keeps_data_and_port(
    make_broker: Callable[..., LocalKafka], tmp_path: Path
) -> None:
    """Start twice, write, stop, start again, read."""
    first = make_broker().start()
    assert not first.was_running
    (tmp_path / "kafka" / "logs" / "server.log").write_text("")  # rolled over some day
    again = make_broker().start(start_timeout_s=5)
    assert again == replace(first, was_running=True)
    assert make_broker().status().is_answering
    asyncio.run(create_topic(first.address))
    asyncio.run(produce(first.address, b"before the stop"))

    assert make_broker().stop() == "stopped"
    assert make_broker().stop() == "not running"
    assert make_broker().status().pid is None

    restarted = make_broker().start()
    assert (restarted.address, restarted.was_running) == (first.address, False)
    assert restarted.pid != first.pid
    asyncio.run(produce(restarted.address, b"after it"))
    assert asyncio.run(consume(restarted.address, 2)) == [b"before the stop", b"after it"]


def test_after_kill_9_it_starts_again_with_what_it_acknowledged(
    make_broker: Callable[..., LocalKafka],
) -> None:
    """The stale pid and address files of a crash are no obstacle."""
    crashed = make_broker().start()
    asyncio.run(create_topic(crashed.address))
    asyncio.run(produce(crashed.address, b"acknowledged"))
    os.kill(crashed.pid, signal.SIGKILL)
    os.waitpid(crashed.pid, 0)
    seen = make_broker().status()
    assert (seen.pid, seen.is_answering) == (None, False)

    restarted = make_broker().start()
    assert restarted.address == crashed.address
    assert not restarted.was_running
    assert asyncio.run(consume(restarted.address, 1)) == [b"acknowledged"]


def test_a_kept_port_that_is_busy_is_replaced_and_an_explicit_one_is_not(
    make_broker: Callable[..., LocalKafka], tmp_path: Path
) -> None:
    """The data move to another port, unless the caller insists on one."""
    first = make_broker().start()
    kept_port = int(first.address.rpartition(":")[2])
    insisting = replace(FAST, listeners=(Listener(name="CLIENT", port=kept_port + 1),))
    with pytest.raises(LocalServerError, match="another broker runs already"):
        make_broker(insisting).start()
    make_broker().stop()

    with socket.create_server(("127.0.0.1", kept_port)):
        with pytest.raises(LocalServerError, match=f"port {kept_port} cannot be used"):
            make_broker(replace(FAST, listeners=(Listener(name="CLIENT", port=kept_port),))).start()
        moved = make_broker().start()
    assert moved.address != first.address
    assert read_address(tmp_path / "kafka") == moved.address


def test_a_port_lost_between_choice_and_bind_is_chosen_again(
    make_broker: Callable[..., LocalKafka], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Java needs seconds to bind what we found free; somebody else may be faster."""
    choices: list[Mapping[str, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as somebody:

        def choose_wrongly_at_first(
            config: BrokerConfig, kept: Mapping[str, int], *rest: object
        ) -> Mapping[str, int]:
            choices.append(choose(config, kept, *rest))  # type: ignore[arg-type]  # whatever it was given
            return choices[-1] if len(choices) != 2 else {**choices[-1], "CLIENT": somebody.getsockname()[1]}

        choose = choose_ports
        monkeypatch.setattr(local_kafka, "choose_ports", choose_wrongly_at_first)
        started = make_broker().start()
    assert len(choices) == 3  # to format, wrong, right
    assert started.address == f"127.0.0.1:{choices[-1]['CLIENT']}"


def test_a_broker_that_dies_early_is_quoted_and_leaves_no_process(
    make_broker: Callable[..., LocalKafka],
) -> None:
    """The reason stands in the error, not only in a file."""
    broken = replace(FAST, properties={"authorizer.class.name": "no.such.Authorizer"})
    with pytest.raises(LocalServerError, match=r"ended while it started.*no\.such\.Authorizer") as e:
        make_broker(broken).start()
    assert "\n" not in str(e.value)
    assert make_broker().status().pid is None


def test_one_that_is_not_ready_in_time_is_an_error_and_is_stopped(
    make_broker: Callable[..., LocalKafka],
) -> None:
    """And the next start is not disturbed by it."""
    with pytest.raises(LocalServerError, match=r"not ready after 0\.2 s"):
        make_broker().start(start_timeout_s=0.2)
    assert make_broker().status().pid is None
    assert make_broker().start().pid


def test_the_commands(tmp_path: Path) -> None:
    """Start outlives its command; exit statuses are 0, 1 and 3; errors are one line."""
    where = ("--data-dir", tmp_path / "kafka")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = kafka_command("start", "--port", port, *where)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"error: port {port} cannot be used")
    assert refused.stderr.count("\n") == 1
    assert kafka_command("status", *where).returncode == 3
    (tmp_path / "file").touch()
    unusable = kafka_command("start", "--data-dir", tmp_path / "file" / "kafka")
    assert (unusable.returncode, unusable.stderr.count("\n")) == (1, 1)

    try:
        started = kafka_command("start", "--port", port, *where)
        assert started.stdout.startswith(f"Kafka runs at 127.0.0.1:{port} (pid "), started.stderr
        status = kafka_command("status", *where)
        assert (status.returncode, status.stdout.split(" (")[0]) == (0, f"Kafka runs at 127.0.0.1:{port}")
        assert kafka_command("start", *where).stdout.startswith(f"Kafka runs already at 127.0.0.1:{port}")
    finally:
        stopped = kafka_command("stop", *where)
    assert (stopped.returncode, stopped.stdout) == (0, "Kafka is stopped\n")
    assert kafka_command("stop", *where).stdout == "Kafka was not running\n"
    status = kafka_command("status", *where)
    assert (status.returncode, status.stdout) == (3, "Kafka is not running\n")


# ── a secured broker ───────────────────────────────────────────────────────────────────────────────


def test_a_secured_broker_is_only_another_config(
    make_broker: Callable[..., LocalKafka], tmp_path: Path
) -> None:
    """SCRAM and mTLS let in who they should; ACLs and wrong passwords keep out the rest."""
    pki = tmp_path / "pki"
    pki.mkdir()
    make_pki(pki, "broker", "admin")
    broker = make_broker(secured_broker(pki, {"admin": 'open, "sésame"]', "nobody": "knock"}))
    address = broker.start().address
    assert address.startswith("localhost:")
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))

    def scram(user: str, password: str) -> dict[str, object]:
        login = {
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": user,
            "sasl_plain_password": password,
        }
        return {"security_protocol": "SASL_SSL", "ssl_context": context, **login}

    asyncio.run(create_topic(address, **scram("admin", 'open, "sésame"]')))
    asyncio.run(produce(address, b"by password", **scram("admin", 'open, "sésame"]')))
    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(produce(address, b"no", **scram("nobody", "knock")))
    with pytest.raises(KafkaConnectionError):
        asyncio.run(produce(address, b"no", **scram("nobody", "wrong")))

    mtls = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    mtls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    ports = ports_of((broker.data_dir / "server.properties").read_text())
    mtls_address = f"localhost:{ports['MTLS']}"
    asyncio.run(produce(mtls_address, b"by certificate", security_protocol="SSL", ssl_context=mtls))
    with pytest.raises(KafkaConnectionError):
        asyncio.run(produce(mtls_address, b"no", security_protocol="SSL", ssl_context=context))
