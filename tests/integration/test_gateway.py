"""The gateway on a real Kafka: what a phone is told is true, and bad input is told what is wrong with it."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import trustme

from app.cli.schemas import documents
from app.local_broker.config import any_free_port
from app.settings import PROJECT_DIR
from models.dead_letter import DeadLetter
from models.location_fix import LocationFix
from streaming.partitions import partition_of
from tests.gateway import Answer, Gateway, entry, message, running_gateway
from tests.integration.commands import environment, run
from tests.pages import Pages
from tests.pipeline import Pipeline, wait_until
from tests.promtool import problems_of

pytestmark = pytest.mark.kafka

TOKEN = "fleet-token-0123456789"
MAX_BODY_BYTES = 20_000
MAX_LOCATIONS = 20
MAX_CONNECTIONS = 40
HEAD = f"POST /location HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n".encode()
SETTINGS: dict[str, Any] = {
    "gateway_max_body_bytes": str(MAX_BODY_BYTES),
    "gateway_max_locations": str(MAX_LOCATIONS),
    "gateway_max_connections": str(MAX_CONNECTIONS),
    "gateway_read_timeout_s": "0.5",
    "gateway_idle_timeout_s": "1",
}


@pytest.fixture(scope="module")
def pipeline(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Topics that the tests of this module share; each has devices of its own."""
    Pipeline.delete_all_topics(kafka_bootstrap)
    with Pipeline(kafka_bootstrap, tmp_path_factory.mktemp("gateway")) as running:
        running.create_topics()
        yield running


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet token."""
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text(TOKEN)
    return path


@pytest.fixture(scope="module")
def gateway(pipeline: Pipeline, token_file: Path) -> Iterator[Gateway]:
    """A gateway with narrow limits."""
    with running_gateway(pipeline.bootstrap, token_file, TOKEN, **SETTINGS) as running:
        running.wait_ready()
        yield running


def fixes_of(pipeline: Pipeline, device_id: str) -> list[LocationFix]:
    """What is in the topic of a device."""
    records = [r for r in pipeline.records(pipeline.topics.location_data) if r.key == device_id.encode()]
    assert all(r.partition == partition_of(r.key, pipeline.settings.topic_partitions) for r in records)
    return [msgspec.json.decode(r.value, type=LocationFix) for r in records]


def problem_of(answer: Answer) -> str:
    """The detail of a problem, which is one (RFC 9457)."""
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json["status"] == answer.status
    return str(answer.json["detail"])


def test_a_push_is_in_kafka_when_it_is_answered(gateway: Gateway, pipeline: Pipeline) -> None:
    """Several locations, other sensors, out of order; the record's time is that of receipt."""
    before_ms = time.time_ns() // 1_000_000
    older = {**entry(latitude="37.5"), "time": str(time.time_ns() - 10**9)}
    answer = gateway.push(message("p-1", entry(), {"name": "gyroscope", "values": {"x": 1}}, older))
    assert answer.status == 200
    assert answer.json == {"accepted": 2, "dead_letters": 0, "ignored": 1}
    first, second = fixes_of(pipeline, "p-1")
    assert (first.latitude_deg, second.latitude_deg) == (37.33, 37.5)
    assert second.event_time < first.event_time
    (record, _) = [r for r in pipeline.records(pipeline.topics.location_data) if r.key == b"p-1"]
    assert before_ms <= record.timestamp <= time.time_ns() // 1_000_000


def test_what_cannot_be_read_among_others_is_a_dead_letter(gateway: Gateway, pipeline: Pipeline) -> None:
    """Byte for byte, with the reason; the others are accepted."""
    bad = entry(latitude=91)
    answer = gateway.push(message("p-2", entry(), bad))
    assert answer.json == {"accepted": 1, "dead_letters": 1, "ignored": 0}
    assert len(fixes_of(pipeline, "p-2")) == 1
    records = pipeline.records(pipeline.topics.dead_letters)
    (letter,) = [DeadLetter.from_record(r.key, r.value, r.headers) for r in records if r.key == b"p-2"]
    assert letter.value == json.dumps(bad).encode()
    assert (letter.source_topic, letter.reason_code) == ("gateway", "malformed")
    assert "Latitude" in letter.reason


def test_the_books_balance_with_what_came_through_the_gateway(gateway: Gateway, pipeline: Pipeline) -> None:
    """Its dead letters explain no input, and no input lacks one for them."""
    gateway.push(message("p-3", entry(), entry(longitude=None)))
    pipeline.worker().wait_ready()
    report = pipeline.wait_complete()
    assert report.balances(complete=True)
    assert report.total.locations == report.total.records


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (message("p-4", entry()).replace(b"28.5", b"NaN"), 400, "not JSON"),
        (message("p-4", entry()).replace(b"28.5", b"Infinity"), 400, "not JSON"),
        (message("p-4", entry()).replace(b"p-4", b"\xff\xfe"), 400, "not UTF-8"),
        (message("p-4", "?").replace(b'"?"', b"[" * 9000 + b"]" * 9000), 400, "nested too deeply"),
        (message("", entry()), 400, "deviceId"),
        (message("p-4", entry(latitude="north"), entry(speed=[])), 422, "latitude is not a number"),
        (message("p-4", *[entry()] * (MAX_LOCATIONS + 1)), 413, "locations at most"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "bytes at most"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
def test_a_bad_body_is_told_what_is_wrong(gateway: Gateway, body: bytes, status: int, said: str) -> None:
    """A 4xx with a reason; nothing of it is sent."""
    answer = gateway.push(body)
    assert answer.status == status
    assert said in problem_of(answer)


def test_nothing_of_a_refused_push_is_in_kafka(gateway: Gateway, pipeline: Pipeline) -> None:
    """Of the device of the bad bodies above there is neither a location nor a dead letter."""
    gateway.push(message("p-4", entry(latitude="north")))
    assert not fixes_of(pipeline, "p-4")
    assert b"p-4" not in {r.key for r in pipeline.records(pipeline.topics.dead_letters)}


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer wrong-token-0123456789", f"Basic {TOKEN}", "Bearer \xff"]
)
def test_without_a_token_nothing_else_is_looked_at(gateway: Gateway, header: str) -> None:
    """Neither path nor method nor body: they would tell what is there."""
    for method, path, body in (
        ("POST", "/location", b"{"),
        ("PUT", "/location", b""),
        ("GET", "/nothing", b""),
    ):
        answer = gateway.ask(method, path, body, Authorization=header)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "token" in problem_of(answer)


def test_a_body_that_is_announced_too_large_is_not_waited_for(gateway: Gateway) -> None:
    """The same for one that nobody may send: its answer comes before its body."""
    for token, status in ((TOKEN, b"413"), ("wrong-token-0123456789", b"401")):
        with gateway.connect() as connection:
            head = f"POST /location HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            connection.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
            assert status in connection.recv(1000)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/location", {}, 405),
        ("POST", "/livez", {}, 405),
        ("POST", "/", {}, 404),
        ("POST", "/location/", {}, 404),
        ("POST", "/location", {"Content_Type": "text/xml"}, 415),
        ("POST", "/location", {"Content_Type": "application/json", "Content_Encoding": "gzip"}, 415),
    ],
)
def test_other_requests_are_refused(
    gateway: Gateway, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """405 says what is allowed."""
    answer = gateway.ask(method, path, b"{}", Authorization=f"Bearer {TOKEN}", **headers)
    assert answer.status == status
    assert problem_of(answer)
    assert ("Allow" in answer.headers) == (status == 405)


def test_operators_need_no_token(gateway: Gateway) -> None:
    """The document is the one that is committed."""
    assert gateway.ask("GET", "/livez").status == 200
    assert gateway.ask("GET", "/readyz").status == 200
    assert gateway.ask("GET", "/openapi.json").json == json.loads(documents()["openapi.json"])


def test_a_chunked_body_and_one_that_waits_for_leave_are_taken(gateway: Gateway, pipeline: Pipeline) -> None:
    """As some HTTP libraries send them; neither is larger for it than allowed."""
    connection = http.client.HTTPConnection(gateway.host, gateway.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    body = message("p-5", entry())
    connection.request("POST", "/location", iter([body[:50], body[50:]]), headers, encode_chunked=True)
    assert connection.getresponse().read() == b'{"accepted":1,"dead_letters":0,"ignored":0}'
    connection.request("POST", "/location", iter([b" " * 15_000] * 2), headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    with gateway.connect() as bare:
        bare.sendall(HEAD + f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert bare.recv(100).startswith(b"HTTP/1.1 100 ")
        bare.sendall(body)
        assert bare.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert len(fixes_of(pipeline, "p-5")) == 2


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /location HTTP/1.1\r\nHost: x\r\nAuthor",
        HEAD + b"Content-Length: 9\r\n\r\n{",
    ],
    ids=["nothing", "half a header", "half a body"],
)
def test_a_client_that_stops_sending_is_cut(gateway: Gateway, sent: bytes) -> None:
    """It would hold its connection for ever."""
    with gateway.connect() as connection:
        connection.sendall(sent)
        told = b"".join(iter(lambda: connection.recv(1000), b""))  # until it is closed
    assert told == b"" or told.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_sends_byte_by_byte_is_cut(gateway: Gateway) -> None:
    """Each byte would put off a time-out that counts from the last one."""
    head = HEAD + b"Content-Length: 9999\r\n\r\n"
    for first, then in ((b"POST ", b"/"), (head, b" ")):
        with gateway.connect() as connection:
            connection.sendall(first)
            connection.settimeout(0.05)
            wait_until(lambda c=connection, byte=then: is_cut(c, byte), 20, "cut")  # type: ignore[misc]


def is_cut(connection: socket.socket, byte: bytes) -> bool:
    """Send a byte more and see whether there is an end or an answer."""
    try:
        connection.sendall(byte)
        connection.recv(1000)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_more_connections_than_allowed_are_turned_away_and_the_others_served(gateway: Gateway) -> None:
    """When they are gone there is room again."""
    held = [gateway.connect() for _ in range(MAX_CONNECTIONS + 10)]
    for connection in held[MAX_CONNECTIONS:]:
        assert connection.recv(1000).startswith(b"HTTP/1.1 503 ")
    for connection in held:
        connection.close()
    wait_until(lambda: gateway.ask("GET", "/livez").status == 200, 20, "room")


def test_bad_requests_leave_nothing_in_memory(gateway: Gateway) -> None:
    """Neither bodies nor connections: 40 MB pass."""

    def abuse(times: int) -> None:
        for _ in range(times):
            gateway.push(b'{"' + b"x" * (MAX_BODY_BYTES - 10))
            gateway.push(b"x" * (2 * MAX_BODY_BYTES))
            gateway.push(message("p-6", entry(latitude=91)), token="wrong-token-0123456789")
            with gateway.connect() as connection:
                connection.sendall(b"\x16\x03\x01 GET / \r\n\r\n" + b"y" * 20_000)

    abuse(50)
    before_bytes = gateway.resident_bytes
    abuse(500)
    assert gateway.resident_bytes - before_bytes < 8_000_000


def test_tokens_are_read_again_and_a_devices_token_sends_for_it_alone(
    gateway: Gateway, token_file: Path, pipeline: Pipeline
) -> None:
    """A broken file changes nothing; whoever is no longer in it is out."""
    own = "0123456789abcdef"
    body = message("p-7", entry())

    def reread(text: str, status: int, token: str) -> None:
        token_file.write_text(text)
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: gateway.push(body, token=token).status == status, 20, "tokens read")

    reread(f"p-7:{own}\np-8:{own}2\n", 401, TOKEN)
    assert gateway.push(body, token=own).status == 200
    refused = gateway.push(body, token=own + "2")
    assert (refused.status, problem_of(refused)) == (403, "this token belongs to another device")
    token_file.write_text("broken")
    gateway.process.send_signal(signal.SIGHUP)
    assert gateway.push(body, token=own).status == 200
    reread(TOKEN, 200, TOKEN)
    assert gateway.push(body, token=own).status == 401
    assert fixes_of(pipeline, "p-7")


def test_nothing_of_a_request_is_in_the_log(gateway: Gateway) -> None:
    """No token, place or device, whatever went wrong."""
    secret = "places-and-tokens-0123456789"
    with gateway.connect() as connection:
        connection.sendall(
            f"POST /location HTTP/1.1\r\nAuthorization: Bearer {secret}\r\nx y\x00: {secret}\r\n\r\n".encode()
        )
        connection.recv(1000)
    gateway.push(message(secret, entry(latitude=secret)), token=secret)
    gateway.push(message(secret, entry(latitude=secret)))
    gateway.push(message(secret, entry()))
    assert "connected with Kafka" in gateway.log
    assert not [word for word in (secret, TOKEN, "37.33", "Traceback") if word in gateway.log]


def test_every_answer_to_a_fuzzing_client_is_as_documented(gateway: Gateway, tmp_path: Path) -> None:
    """Schemathesis makes requests of the document, right and wrong ones; no answer is a 5xx or unknown."""
    document = tmp_path / "openapi.json"
    document.write_text(documents()["openapi.json"])
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(document)),
        *("--url", f"http://{gateway.host}:{gateway.port}", "--header", f"Authorization: Bearer {TOKEN}"),
        *("--checks", checks, "--max-examples", "15", "--seed", "1", "--phases", "examples,coverage,fuzzing"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "generated" in done.stdout


def test_over_tls(pipeline: Pipeline, tmp_path: Path) -> None:
    """With the certificate of the settings; SIGTERM ends it when what has begun is answered."""
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    (tmp_path / "tokens").write_text(TOKEN)
    files: dict[str, Any] = {
        "gateway_cert_file": f"{tmp_path}/own.pem",
        "gateway_key_file": f"{tmp_path}/own.pem",
    }
    with running_gateway(
        pipeline.bootstrap, tmp_path / "tokens", TOKEN, tls=trusting, gateway_idle_timeout_s="1", **files
    ) as gateway:
        gateway.wait_ready()
        assert gateway.push(message("p-9", entry())).status == 200
        with gateway.connect() as silent:
            assert silent.recv(1) == b""  # no handshake, no connection
        begun = http.client.HTTPSConnection(gateway.host, gateway.port, timeout=30, context=trusting)
        body = message("p-9", entry())
        begun.putrequest("POST", "/location")
        begun.putheader("Authorization", f"Bearer {TOKEN}")
        begun.putheader("Content-Length", str(len(body)))
        begun.endheaders(body[:10])
        assert gateway.ask("GET", "/livez").status == 200  # so that it has seen the one that has begun
        gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(gateway), 20, "listening no more")
        begun.send(body[10:])
        assert begun.getresponse().status == 200
        assert gateway.process.wait(30) == 0
    assert len(fixes_of(pipeline, "p-9")) == 2


def is_listening(gateway: Gateway) -> bool:
    """Whether it takes connections."""
    try:
        gateway.connect().close()
    except ConnectionRefusedError:
        return False
    return True


def test_without_kafka_it_starts_and_says_503(tmp_path: Path) -> None:
    """Whoever watches it sees that it lives and is not ready."""
    (tmp_path / "tokens").write_text(TOKEN)
    port = any_free_port()
    env = {"SMARTBANK_GATEWAY_METRICS_PORT": str(port)}
    with running_gateway("127.0.0.1:9", tmp_path / "tokens", TOKEN, env=env) as gateway:
        assert gateway.ask("GET", "/livez").status == 200
        assert problems_of(Pages(port).metrics()) == ""
        unready, refused = gateway.ask("GET", "/readyz"), gateway.push(message("p-10", entry()))
        for answer in (unready, refused):
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert problem_of(refused)
        assert [each["name"] for each in unready.json["checks"] if not each["ok"]] == ["kafka"]
        assert gateway.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--host", "0.0.0.0"], {}, "--token-file"),  # noqa: S104 (that is the point)
        (["--token-file", "/nowhere/tokens"], {}, "cannot be read"),
        ([], {"gateway_cert_file": "/nowhere/cert.pem"}, "SMARTBANK_GATEWAY_CERT_FILE"),
        (["--host", "192.0.2.1", "--token-file", "TOKENS"], {}, "cannot listen"),
    ],
)
def test_what_it_cannot_start_with_is_one_line(
    tmp_path: Path, arguments: list[str], settings: dict[str, Any], said: str
) -> None:
    """Exit status 1, and nothing listens."""
    (tmp_path / "tokens").write_text(TOKEN)
    given = [str(tmp_path / "tokens") if each == "TOKENS" else each for each in arguments]
    done = run(environment("127.0.0.1:9", **settings), "gateway", "--port", "0", *given)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_committed_document_is_valid_openapi() -> None:
    """By the structure that every client relies on."""
    document = json.loads((PROJECT_DIR / "docs" / "openapi.json").read_text())
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
