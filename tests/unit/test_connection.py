"""What settings make of a connection: addresses, secrets, certificates, errors that name a setting."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from app.connection import connection_of
from app.factory import create_detector
from app.settings import Settings
from streaming.errors import ConfigError
from tests.secured_kafka import make_pki, openssl

SCRAM: dict[str, Any] = {"kafka_security": "sasl_ssl", "kafka_username": "faust"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of faust and of another."""
    folder = tmp_path_factory.mktemp("pki")
    make_pki(folder, "faust", "other")
    return folder


def settings(**values: Any) -> Settings:
    """Settings with an address."""
    return Settings(**{"kafka_bootstrap": "localhost:9092", **values})


def mutual_tls(pki: Path, **values: Any) -> Settings:
    """Settings with which faust connects by certificate."""
    files = {"kafka_cert_file": f"{pki}/faust.crt", "kafka_key_file": f"{pki}/faust.key"}
    return settings(**{"kafka_security": "ssl", "kafka_ca_file": f"{pki}/ca.pem", **files, **values})


@pytest.mark.parametrize("bootstrap", ["a.example:9092", "a:1, b:2", "[::1]:9092", "10.0.0.1:65535,a_b-c:1"])
def test_one_or_more_addresses(bootstrap: str) -> None:
    """Blanks do not matter; each client gets the same list."""
    connection = connection_of(settings(kafka_bootstrap=bootstrap))
    assert connection.client_options == {"bootstrap_servers": bootstrap.replace(" ", "")}
    assert connection.faust_options == {"broker": [f"kafka://{a.strip()}" for a in bootstrap.split(",")]}


@pytest.mark.parametrize(
    "bootstrap",
    ["a", "a:1,", ",", "a:1,,b:2", "kafka://a:1", "a:x", "a:0", "a:65536", "a:1;b:2", "::1:9", ":9"],
)
def test_what_is_no_address_is_an_error(bootstrap: str) -> None:
    """An empty one would mean this machine to a client."""
    with pytest.raises(ConfigError, match=r"SMARTBANK_KAFKA_BOOTSTRAP is .*wanted host:port"):
        connection_of(settings(kafka_bootstrap=bootstrap))


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    """Settings and connections may be logged."""
    (tmp_path / "password").write_text("hush\n")
    for given in (
        settings(**SCRAM, kafka_password="hush"),
        settings(**SCRAM, kafka_password_file=str(tmp_path / "password")),
    ):
        connection = connection_of(given)
        assert connection.password == "hush"
        assert "hush" not in repr(given) + repr(connection) + repr(connection.faust_options)


def test_a_password_file_may_hold_any_line(tmp_path: Path) -> None:
    """Only the end of the line goes: blanks belong to the password."""
    (tmp_path / "password").write_bytes(' blank, \u00e9"=] \r\n'.encode())
    given = settings(**SCRAM, kafka_password="ignored", kafka_password_file=str(tmp_path / "password"))
    assert connection_of(given).password == ' blank, \u00e9"=] '


@pytest.mark.parametrize("content", [b"", b"\n", b"one\ntwo\n", b"\xff\xfe"])
def test_a_file_that_holds_no_password_is_named_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    """It may hold another secret."""
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(ConfigError, match=r"SMARTBANK_KAFKA_PASSWORD_FILE is .*wanted one line") as e:
        connection_of(settings(**SCRAM, kafka_password_file=str(tmp_path / "password")))
    assert "one\n" not in str(e.value)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kafka_security": "sasl_ssl"}, "SMARTBANK_KAFKA_USERNAME is empty"),
        (SCRAM, "needs SMARTBANK_KAFKA_PASSWORD_FILE or SMARTBANK_KAFKA_PASSWORD"),
        (
            {**SCRAM, "kafka_password_file": "/no/such"},
            "SMARTBANK_KAFKA_PASSWORD_FILE is '/no/such', .*No such",
        ),
        (
            {**SCRAM, "kafka_password": "p", "kafka_ca_file": "/no/such"},
            "SMARTBANK_KAFKA_CA_FILE is '/no/such'",
        ),
        (
            {**SCRAM, "kafka_password": "p", "kafka_ca_file": "/"},
            "SMARTBANK_KAFKA_CA_FILE is '/', .*directory",
        ),
        (
            {**SCRAM, "kafka_password": "p", "kafka_ca_file": __file__},
            "SMARTBANK_KAFKA_CA_FILE cannot be used",
        ),
        ({"kafka_security": "ssl"}, "SMARTBANK_KAFKA_CERT_FILE is empty"),
        ({"kafka_security": "ssl", "kafka_cert_file": __file__}, "SMARTBANK_KAFKA_KEY_FILE is empty"),
    ],
)
def test_what_is_missing_is_named(values: dict[str, str], told: str) -> None:
    """One line, with the setting in it."""
    with pytest.raises(ConfigError, match=told) as e:
        connection_of(settings(**values))
    assert "\n" not in str(e.value)


def test_a_key_that_does_not_fit_or_is_encrypted_is_an_error(pki: Path) -> None:
    """OpenSSL would ask for a passphrase, which nobody types at a service."""
    with pytest.raises(ConfigError, match=r"SMARTBANK_KAFKA_KEY_FILE cannot be used \(KEY_VALUES_MISMATCH\)"):
        connection_of(mutual_tls(pki, kafka_key_file=f"{pki}/other.key"))
    openssl(pki, "rsa", "-aes256", "-passout", "pass:hush", "-in", "faust.key", "-out", "locked.key")
    with pytest.raises(ConfigError, match="SMARTBANK_KAFKA_KEY_FILE is encrypted"):
        connection_of(mutual_tls(pki, kafka_key_file=f"{pki}/locked.key"))


def test_a_broker_must_prove_its_name(pki: Path) -> None:
    """For every client, Faust's too; there is no way to turn it off."""
    scram = settings(**SCRAM, kafka_password="p", kafka_ca_file=f"{pki}/ca.pem")
    for given in (mutual_tls(pki), scram):
        context = connection_of(given).ssl_context
        assert context is not None
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("security", ["plaintext", "sasl_ssl", "ssl"])
def test_the_worker_s_producer_waits_for_all_replicas_whatever_the_security(
    pki: Path, tmp_path: Path, security: str
) -> None:
    """As aiokafka's producer has it in the end, not only Faust's settings."""
    (tmp_path / "key").write_text("test:" + "5a" * 32)
    given = mutual_tls(
        pki,
        kafka_security=security,
        kafka_bootstrap="localhost:1,localhost:2",
        kafka_username="faust",
        kafka_password="p",
        token_key_file=str(tmp_path / "key"),
    )

    async def seen() -> tuple[Any, ...]:
        producer = create_detector(given, CollectorRegistry()).producer._new_producer()
        try:
            return (
                producer._sender._acks,
                producer.client._security_protocol,
                producer.client._bootstrap_servers,
            )
        finally:
            await producer.stop()

    assert asyncio.run(seen()) == (-1, security.upper(), ["localhost:1", "localhost:2"])
