"""How to connect to Kafka: one value, and what aiokafka and Faust make of it."""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any

import faust

from app.readable_file import readable_file
from app.settings import Settings
from streaming.errors import ConfigError

_MECHANISM = "SCRAM-SHA-512"
_ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the brokers are and how to prove who we are. Shows no secret in its repr."""

    bootstrap: str
    """host:port, or several with commas between them."""
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
        options: dict[str, Any] = {"broker": [f"kafka://{address}" for address in self.bootstrap.split(",")]}
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
    """Read the secrets and certificates that `settings` names.

    Raises ConfigError where one is missing or cannot be used, and where an address is none.
    """
    bootstrap = _normal(settings.bootstrap)
    if settings.kafka_security == "plaintext":
        return Connection(bootstrap=bootstrap, security="plaintext")
    password = _password(settings) if settings.kafka_security == "sasl_ssl" else ""
    return Connection(
        bootstrap=bootstrap,
        security=settings.kafka_security,
        username=settings.kafka_username,
        password=password,
        ssl_context=_ssl_context(settings),
    )


def _normal(bootstrap: str) -> str:
    """The addresses without blanks. Clients would take an empty one for this machine."""
    addresses = [address.strip() for address in bootstrap.split(",")]
    for address in addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[1]) < 65536:
            raise ConfigError(
                f"SMARTBANK_KAFKA_BOOTSTRAP is {bootstrap!r}; wanted host:port, or several with commas"
            )
    return ",".join(addresses)


def _password(settings: Settings) -> str:
    if not settings.kafka_username:
        raise ConfigError("SMARTBANK_KAFKA_USERNAME is empty; sasl_ssl needs a SCRAM user")
    if not settings.kafka_password_file:
        if not settings.kafka_password:
            raise ConfigError("sasl_ssl needs SMARTBANK_KAFKA_PASSWORD_FILE or SMARTBANK_KAFKA_PASSWORD")
        return settings.kafka_password
    path = readable_file(settings.kafka_password_file, "SMARTBANK_KAFKA_PASSWORD_FILE")
    try:
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        password = ""
    if not password or "\n" in password:
        raise ConfigError(f"SMARTBANK_KAFKA_PASSWORD_FILE is {str(path)!r}; wanted one line of text in it")
    return password


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    """What a client trusts (default: the machine's authorities) and shows; a broker's name must be right."""
    setting = "SMARTBANK_KAFKA_CA_FILE"
    try:
        ca_file = settings.kafka_ca_file and readable_file(settings.kafka_ca_file, setting)
        context = ssl.create_default_context(cafile=ca_file or None)
        if settings.kafka_security == "ssl":
            setting = "SMARTBANK_KAFKA_CERT_FILE and SMARTBANK_KAFKA_KEY_FILE"
            context.load_cert_chain(
                readable_file(settings.kafka_cert_file, "SMARTBANK_KAFKA_CERT_FILE"),
                readable_file(settings.kafka_key_file, "SMARTBANK_KAFKA_KEY_FILE"),
                password=_no_passphrase,
            )
    except ssl.SSLError as e:
        raise ConfigError(f"{setting} cannot be used ({e.reason or e}); wanted PEM files that fit") from e
    return context


def _no_passphrase() -> str:
    """Called for a key that is encrypted; without it OpenSSL would wait for somebody to type."""
    raise ConfigError("the key of SMARTBANK_KAFKA_KEY_FILE is encrypted; give one without a passphrase")
