"""The pipeline on a broker with SCRAM, mutual TLS and no more ACLs than docs/kafka_security.md grants."""

import json
import re
import socket
import time
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer

from app.settings import Settings
from app.topics import topics_of
from sources.event_file import Event
from tests.bridge import bridge
from tests.gateway import entry, running_gateway
from tests.gateway import message as push_of
from tests.integration.commands import environment, run
from tests.mosquitto import BRIDGE, DEVICES, Mosquitto, Publisher
from tests.notifications import Inbox, flagged, in_background
from tests.notifier import flag, notifier
from tests.pipeline import Pipeline, Worker, location, purchase, wait_until
from tests.rows import records, row
from tests.secured_kafka import SecuredKafka, Security, make_pki, password
from tests.services.mongodb import MongoServer

pytestmark = pytest.mark.kafka

FAR_LAT = 38.5
BOTH: tuple[Security, ...] = ("sasl_ssl", "ssl")


@pytest.fixture
def topics(secured: SecuredKafka) -> None:
    """New, empty topics, made by the operator."""
    Pipeline.delete_all_topics(secured.address("sasl_ssl"), secured.librdkafka_options("admin", "sasl_ssl"))
    made = run(command_env(secured, "operator", "sasl_ssl"), "topics", "create")
    assert made.returncode == 0, made.stderr


def command_env(secured: SecuredKafka, user: str, security: Security, **settings: str) -> dict[str, str]:
    """The environment of a command that `user` runs."""
    return {**environment("", **settings), **secured.settings(user, security)}


def event_file(path: Path) -> Path:
    """A phone, and a purchase near it and far from it."""
    now_ms = int(time.time() * 1000)
    events: list[Event] = [
        location("phone", now_ms),
        purchase("near", "phone", now_ms + 1000),
        purchase("far", "phone", now_ms + 2000, lat=FAR_LAT),
    ]
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


def one_line(text: str) -> str:
    """The line; fails where it is more, or less."""
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("security", BOTH)
def test_every_role_does_its_part(secured: SecuredKafka, security: Security, tmp_path: Path) -> None:
    """From no topics to an alert in the hands of a consumer, each step as the user that may do it."""
    Pipeline.delete_all_topics(secured.address("sasl_ssl"), secured.librdkafka_options("admin", "sasl_ssl"))
    as_operator = command_env(secured, "operator", security)
    created = run(as_operator, "topics", "create")
    assert created.returncode == 0, created.stderr
    assert created.stdout.count("created ") == len(topics_of(Settings()).all)
    assert run(as_operator, "topics", "verify").returncode == 0
    described = [json.loads(line) for line in run(as_operator, "topics", "describe").stdout.splitlines()]
    assert {row["partitions"] for row in described} == {4}
    assert None not in {row["cleanup"] for row in described}

    with socket.socket() as nobody:  # bound but not listening: the first address is dead
        nobody.bind(("127.0.0.1", 0))
        addresses = f"localhost:{nobody.getsockname()[1]}, {secured.address(security)}"
        worker_settings = secured.settings("faust", security, is_password_in_file=True)
        worker_settings |= {
            "SMARTBANK_KAFKA_BOOTSTRAP": addresses,
            "SMARTBANK_LOG_LEVEL": "debug",
            "SMARTBANK_MAX_IDLE_S": "1",  # the phone's topic may be a moment behind the bank's
        }
        with Pipeline(addresses, tmp_path, worker_settings) as running:
            worker = running.worker().wait_ready()
            sent = run(
                command_env(secured, "bank", security),
                "produce",
                "--input",
                str(event_file(tmp_path / "events.jsonl")),
            )
            assert sent.returncode == 0, sent.stderr
            auditor = Pipeline(secured.address(security), tmp_path, secured.settings("auditor", security))
            auditor.wait_complete()
            assert {d.transaction_id: d.verdict for d in auditor.decisions()} == {
                "near": "cleared",
                "far": "flagged",
            }
            assert_no_password_in(worker)
            assert worker.terminate() == 0

    with Pipeline(addresses, tmp_path, secured.settings("publisher", security)) as running:
        publisher = running.worker("publisher").wait_ready()
        auditor = Pipeline(secured.address(security), tmp_path, secured.settings("auditor", security))
        wait_until(auditor.is_published_to_the_end, 30, "published")
        assert publisher.terminate() == 0

    as_auditor = command_env(secured, "auditor", security)
    books = run(as_auditor, "reconcile", "--complete")
    assert books.returncode == 0, books.stdout + books.stderr
    tailed = run(as_auditor, "tail", "transaction_decisions", "--from-beginning", "--limit", "2")
    assert [json.loads(line)["key"] for line in tailed.stdout.splitlines()] == ["phone", "phone"]
    explained = run(as_auditor, "explain", "far")
    assert explained.returncode == 0, explained.stderr
    assert explained.stdout.startswith("transaction far: flagged")
    assert run(command_env(secured, "faust", security), "doctor").returncode == 0
    assert alert(secured, security)["transaction_id"] == "far"


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("security", BOTH)
def test_the_gateway_writes_as_its_user_and_no_other_can_be_it(
    secured: SecuredKafka, security: Security, tmp_path: Path
) -> None:
    """One that may not write is never ready, and its log says what is missing."""
    token = "fleet-token-0123456789"
    (tmp_path / "tokens").write_text(token)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokens").write_text(token)
    as_gateway, as_operator = (secured.settings(user, security) for user in ("gateway", "operator"))
    with (
        running_gateway(secured.address(security), tmp_path / "tokens", token, env=as_gateway) as right,
        running_gateway(
            secured.address(security), tmp_path / "other" / "tokens", token, env=as_operator
        ) as wrong,
    ):
        right.wait_ready()
        assert right.push(push_of("phone", entry(), entry(speed="?"))).json["dead_letters"] == 1
        wait_until(lambda: "lacks Write on topic location_data" in wrong.log, 30, "the log says it")
        assert wrong.ask("GET", "/readyz").status == 503
        assert wrong.push(push_of("phone", entry())).status == 503


@pytest.mark.usefixtures("topics")
def test_the_bridge_needs_no_more_than_to_write(
    secured: SecuredKafka, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A location, and one that cannot be read."""
    env = {**secured.settings("bridge", "sasl_ssl"), **mosquitto.settings(BRIDGE)}
    with bridge({**env, "SMARTBANK_IOT_WEB_PORT": "0"}, tmp_path) as running:
        with Publisher(mosquitto.connection(DEVICES, DEVICES)) as publisher:
            for value in (location("phone", int(time.time() * 1000)).value_bytes, b"{"):
                publisher.publish("devices/phone/location", value)
            publisher.finish()
        settings = secured.settings("auditor", "sasl_ssl")
        with Pipeline(secured.address("sasl_ssl"), tmp_path, settings) as auditor:
            written = (auditor.topics.location_data, auditor.topics.dead_letters)
            wait_until(lambda: [auditor.count(topic) for topic in written] == [1, 1], 30, "a record each")
        assert running.terminate() == 0


@pytest.mark.usefixtures("topics")
def test_a_sink_and_its_clerk_need_no_more_than_their_part(
    secured: SecuredKafka, mongodb: MongoServer, tmp_path: Path
) -> None:
    """A row, and one that the store refuses, which is sent again."""
    where = secured.address("sasl_ssl")
    store = {"SMARTBANK_MONGODB_URI": mongodb.uri()}
    as_sink = command_env(secured, "sink", "sasl_ssl") | store
    assert run(as_sink, "stores", "migrate", "mongodb").returncode == 0
    with (
        Pipeline(where, tmp_path, secured.settings("admin", "sasl_ssl")) as admin,
        Pipeline(where, tmp_path, secured.settings("sink", "sasl_ssl") | store) as running,
    ):
        worker = running.worker("sink mongodb").wait_ready()
        for key, value in records([row(1), row(2, row_token="")]):
            admin.producer().produce(admin.topics.anonymized_transactions.name, value, key=key)
        admin.producer().flush()
        wait_until(lambda: admin.count(admin.topics.dead_letters) == 1, 30, "the dead letter")
        as_clerk = command_env(secured, "clerk", "sasl_ssl")
        retried = run(as_clerk, "dead-letters", "retry", "--every")
        assert (retried.returncode, retried.stdout) == (0, "retried 1\n"), retried.stderr
        wait_until(lambda: admin.count(admin.topics.dead_letters) == 3, 30, "a note, and another dead letter")
        assert worker.terminate() == 0
    assert run(as_sink, "tail", "dead_letters", "--from-beginning").returncode == 1


@pytest.mark.usefixtures("topics")
def test_the_notifier_needs_no_more_than_its_part(secured: SecuredKafka, tmp_path: Path) -> None:
    """One message, and one that is refused."""
    where = secured.address("sasl_ssl")
    as_notifier = {**secured.settings("notifier", "sasl_ssl"), "SMARTBANK_KAFKA_BOOTSTRAP": where}
    with (
        Pipeline(where, tmp_path, secured.settings("admin", "sasl_ssl")) as admin,
        in_background(Inbox([200, 400])) as inbox,
        notifier(as_notifier, tmp_path, url=inbox.url) as running,
    ):
        flag(admin, [flagged(1), flagged(2)])
        wait_until(lambda: admin.count(admin.topics.dead_letters) == 1, 30, "the dead letter")
        assert running.terminate() == 0
    assert [request.answer for request in inbox.requests] == [200, 400]


def alert(secured: SecuredKafka, security: Security) -> dict[str, str]:
    """The first flagged transaction as a downstream consumer reads it, with librdkafka."""
    consumer = Consumer(
        {
            **secured.librdkafka_options("alerts", security),
            "group.id": f"alerts-{security}",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["Potential_fraud_transactions"])
    try:
        message = consumer.poll(30)
        assert message is not None
        assert not message.error()
        flagged: dict[str, str] = json.loads(message.value())
        consumer.commit(message, asynchronous=False)
    finally:
        consumer.close()
    return flagged


def assert_no_password_in(worker: Worker) -> None:
    """Neither in its log, at the level debug, nor where everybody can see its arguments."""
    log = worker.log
    assert "[DEBUG]" in log
    arguments = Path(f"/proc/{worker.process.pid}/cmdline").read_text()
    for told in (password("faust"), "sésame"):
        assert told not in log
        assert told not in arguments


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize("security", BOTH)
def test_no_role_does_another_s_part(secured: SecuredKafka, security: Security, tmp_path: Path) -> None:
    """One line that says who lacks what, and status 1."""
    as_operator = command_env(secured, "operator", security)
    user = "user operator" if security == "sasl_ssl" else "the client certificate's user"
    for arguments, what in (
        (("tail", "transaction_data", "--from-beginning"), "topic transaction_data"),
        (("reconcile",), "group bank-detector"),
        (("produce", "--input", str(event_file(tmp_path / "events.jsonl"))), "may write no topic"),
    ):
        refused = run(as_operator, *arguments)
        assert refused.returncode == 1
        told = one_line(refused.stderr)
        assert what in told
        if arguments[0] != "produce":
            assert told.startswith(f"error: {user} is not allowed to do this on ")
    refused = run({**as_operator, "SMARTBANK_APP_ID": "mine"}, "topics", "create")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert one_line(refused.stderr).startswith(f"error: {user} is not allowed to create mine-")


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(
    ("user", "told"),
    [
        # sees no input at all
        ("alerts", r"missing or not to be seen by user alerts: location_data, .*transaction_data, "),
        # sees all, may read nothing: Faust itself would wait for ever for its group
        (
            "operator",
            r"user operator at .* lacks Read on topic location_data, .*, Read on group bank-detector: ",
        ),
        # may read all, write nothing: the first verdict would be the end of it
        ("auditor", r"user auditor at .* lacks Write on .*, Write on topic transaction_decisions, "),
    ],
)
def test_a_worker_without_a_right_says_so_before_it_starts(
    secured: SecuredKafka, user: str, told: str, tmp_path: Path
) -> None:
    """It neither hangs nor dies later."""
    env = command_env(secured, user, "sasl_ssl", state_dir=str(tmp_path))
    refused = run(env, "worker", "detector")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert one_line(refused.stderr)
    assert re.search(told, refused.stderr), refused.stderr


@pytest.mark.usefixtures("topics")
@pytest.mark.parametrize(
    "arguments", [("worker", "detector"), ("tail", "dead_letters"), ("topics", "verify")]
)
def test_a_wrong_password_is_one_line_without_it(secured: SecuredKafka, arguments: tuple[str, ...]) -> None:
    """Whoever reads the line may know the user, not what was typed."""
    env = command_env(secured, "faust", "sasl_ssl") | {"SMARTBANK_KAFKA_PASSWORD": "sesame-2-wrong"}
    refused = run(env, *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert one_line(refused.stderr).startswith(
        f"error: Kafka at {secured.address('sasl_ssl')} refuses user faust"
    )
    assert "sesame" not in refused.stderr


def test_a_broker_of_another_authority_or_without_tls_is_not_talked_to(
    secured: SecuredKafka, tmp_path: Path
) -> None:
    """No password is sent to somebody who only has the right address."""
    make_pki(tmp_path)
    env = command_env(secured, "faust", "sasl_ssl") | {"SMARTBANK_KAFKA_CA_FILE": str(tmp_path / "ca.pem")}
    refused = run(env, "topics", "verify")
    assert refused.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in one_line(refused.stderr)
    plain = run(environment(secured.address("sasl_ssl")), "topics", "verify")
    assert plain.returncode == 1
    assert "SMARTBANK_KAFKA_SECURITY=plaintext" in one_line(plain.stderr)


def test_a_client_without_a_certificate_is_told(secured: SecuredKafka) -> None:
    """The broker only hangs up; the line names the setting."""
    env = command_env(secured, "faust", "ssl")
    del env["SMARTBANK_KAFKA_CERT_FILE"]
    refused = run(env, "topics", "verify")
    assert refused.returncode == 1
    assert "SMARTBANK_KAFKA_CERT_FILE is empty" in one_line(refused.stderr)
    stranger = env | {"SMARTBANK_KAFKA_CERT_FILE": str(secured.pki / "admin.crt")}
    refused = run(stranger, "topics", "verify")
    assert "KEY_VALUES_MISMATCH" in one_line(refused.stderr)
