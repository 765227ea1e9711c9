"""Who is told, put together from settings."""

import ipaddress
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from app.readable_file import readable_file
from app.settings import Settings
from notifications.mail import Mail, MailOptions
from notifications.payloads import slack_body, webhook_body
from notifications.receiver import Receiver
from notifications.signature import secrets_of
from notifications.webhook import Webhook, WebhookOptions
from streaming.errors import ConfigError


def receiver_of(settings: Settings) -> Receiver:
    """Make the receiver; it connects to nothing yet. Raises ConfigError for what is missing or unsafe."""
    if settings.notify_channel == "email":
        return Mail(_mail_options(settings))
    is_slack = settings.notify_channel == "slack"
    return Webhook(
        WebhookOptions(
            url=_url(settings),
            body_of=slack_body if is_slack else webhook_body,
            secrets=() if is_slack else _secrets(settings),
            timeout_s=settings.notify_timeout_s,
            tls=_tls(settings),
        )
    )


def _url(settings: Settings) -> str:
    """The address; its path may be a secret (Slack's is), so no error quotes it."""
    url = settings.notify_url
    if settings.notify_url_file:
        url = readable_file(settings.notify_url_file, "SMARTBANK_NOTIFY_URL_FILE").read_text().strip()
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError:
        scheme, host = "", None
    if not host or not (scheme == "https" or (scheme == "http" and _is_here(host))):
        raise ConfigError(
            "SMARTBANK_NOTIFY_URL, or the file SMARTBANK_NOTIFY_URL_FILE, must hold an address https://…"
            " (http:// only to this machine)"
        )
    return url


def _secrets(settings: Settings) -> tuple[bytes, ...]:
    path = readable_file(settings.notify_secret_file, "SMARTBANK_NOTIFY_SECRET_FILE")
    try:
        return secrets_of(path.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError is one, which quotes a byte
        reason = "it is no text" if isinstance(error, UnicodeDecodeError) else error
        raise ConfigError(
            f"SMARTBANK_NOTIFY_SECRET_FILE is {str(path)!r}: {reason}; wanted a line"
            ' as printf "whsec_%s\\n" "$(openssl rand -base64 32)" makes it'
        ) from None


def _mail_options(settings: Settings) -> MailOptions:
    for name in ("smtp_host", "mail_from", "mail_to"):
        if not getattr(settings, f"notify_{name}").strip():
            raise ConfigError(f"SMARTBANK_NOTIFY_{name.upper()} is empty; email needs it")
    if settings.notify_smtp_security == "none" and not _is_here(settings.notify_smtp_host):
        raise ConfigError(
            "SMARTBANK_NOTIFY_SMTP_SECURITY is none, which only a mail server of this machine allows; wanted"
            " starttls or tls"
        )
    return MailOptions(
        host=settings.notify_smtp_host,
        port=settings.notify_smtp_port,
        security=settings.notify_smtp_security,
        username=settings.notify_smtp_username,
        password=_password(settings),
        sender=_addresses("MAIL_FROM", settings.notify_mail_from)[0],
        recipients=_addresses("MAIL_TO", settings.notify_mail_to),
        timeout_s=settings.notify_timeout_s,
        tls=_tls(settings),
    )


def _password(settings: Settings) -> str:
    if not settings.notify_smtp_username:
        return ""
    path = readable_file(settings.notify_smtp_password_file, "SMARTBANK_NOTIFY_SMTP_PASSWORD_FILE")
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def _addresses(name: str, text: str) -> Sequence[str]:
    addresses = [address.strip() for address in text.split(",") if address.strip()]
    if not all("@" in address and address.isprintable() and " " not in address for address in addresses):
        raise ConfigError(f"SMARTBANK_NOTIFY_{name} is {text!r}; wanted NAME@DOMAIN, or several with commas")
    return addresses


def _tls(settings: Settings) -> ssl.SSLContext:
    ca_file = settings.notify_ca_file and readable_file(settings.notify_ca_file, "SMARTBANK_NOTIFY_CA_FILE")
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except ssl.SSLError as error:
        raise ConfigError(
            f"SMARTBANK_NOTIFY_CA_FILE cannot be used ({error.reason or error}); wanted a PEM file"
        ) from error


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
