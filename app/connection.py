"""How to connect to Kafka: one value, and what aiokafka and Faust make of it."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust

from app.settings import Settings
from streaming.errors import ConfigError

_MECHANISM = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the brokers are and how to prove who we are. Shows no secret in its repr."""

    bootstrap: str
    security: str
    username: str = ""
    password: str = field(default="", repr=False)
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def client_options(self) -> dict[str, Any]:
        """Keyword arguments for any aiokafka client."""
        if self.security == "plaintext":
            return {"bootstrap_servers": self.bootstrap}
        options = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security.upper(),
            "ssl_context": self.ssl_context,
        }
        if self.security == "sasl_ssl":
            options |= {
                "sasl_mechanism": _MECHANISM,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def faust_options(self) -> dict[str, Any]:
        """Keyword arguments for faust.App."""
        options: dict[str, Any] = {
            "broker": [f"kafka://{address.strip()}" for address in self.bootstrap.split(",")]
        }
        if self.security == "sasl_ssl":
            options["broker_credentials"] = faust.SASLCredentials(
                username=self.username,
                password=self.password,
                mechanism=_MECHANISM,
                ssl_context=self.ssl_context,
            )
        elif self.security == "ssl":
            options["broker_credentials"] = faust.SSLCredentials(self.ssl_context)
        return options


def connection_of(settings: Settings) -> Connection:
    """Read the secrets and certificates that `settings` names. Raises ConfigError where one is missing."""
    if settings.kafka_security == "plaintext":
        return Connection(bootstrap=settings.bootstrap, security="plaintext")
    password = _password(settings) if settings.kafka_security == "sasl_ssl" else ""
    return Connection(
        bootstrap=settings.bootstrap,
        security=settings.kafka_security,
        username=settings.kafka_username,
        password=password,
        ssl_context=_ssl_context(settings),
    )


def _password(settings: Settings) -> str:
    if not settings.kafka_username:
        raise ConfigError("SMARTBANK_KAFKA_USERNAME is empty; sasl_ssl needs a SCRAM user")
    if settings.kafka_password_file:
        return _existing(settings.kafka_password_file, "SMARTBANK_KAFKA_PASSWORD_FILE").read_text().strip()
    if not settings.kafka_password:
        raise ConfigError("sasl_ssl needs SMARTBANK_KAFKA_PASSWORD_FILE or SMARTBANK_KAFKA_PASSWORD")
    return settings.kafka_password


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    ca_file = settings.kafka_ca_file and _existing(settings.kafka_ca_file, "SMARTBANK_KAFKA_CA_FILE")
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if settings.kafka_security == "ssl":
            context.load_cert_chain(
                _existing(settings.kafka_cert_file, "SMARTBANK_KAFKA_CERT_FILE"),
                _existing(settings.kafka_key_file, "SMARTBANK_KAFKA_KEY_FILE"),
            )
    except ssl.SSLError as e:
        raise ConfigError(f"the TLS files of SMARTBANK_KAFKA_* cannot be used: {e.reason}") from e
    return context


def _existing(path: str, setting: str) -> Path:
    """The file that `setting` names. Raises ConfigError where there is none."""
    if not Path(path).is_file():
        raise ConfigError(f"{setting} is {path!r}, which is no file")
    return Path(path)
