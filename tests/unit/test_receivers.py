"""Webhook and mail against real servers of this machine, and what is tried again."""

import asyncio
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from prometheus_client import CollectorRegistry

from app.receivers import receiver_of
from app.settings import Settings
from notifications.delivery import Delivery, DeliveryOptions, StoppedError
from notifications.digest import digest_of
from notifications.metrics import NotificationMetrics
from notifications.notice import Notice, notice_of_flagged
from notifications.receiver import MessageRefusedError, ReceiverAwayError
from notifications.signature import secrets_of, signature
from notifications.webhook import retry_after_s
from streaming.errors import ConfigError
from tests.notifications import SECRET, Inbox, MailServer, flagged

QUICK = DeliveryOptions(retry_min_s=0.001, retry_max_s=0.01)


def notice(number: int = 1) -> Notice:
    """Something to tell."""
    return notice_of_flagged(flagged(number), in_words=str)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    """A file with the secret."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


class Telling:
    """A delivery to what settings name."""

    def __init__(self, options: DeliveryOptions = QUICK, **settings: Any) -> None:
        self.receiver = receiver_of(Settings(**{f"notify_{name}": value for name, value in settings.items()}))
        self.registry, self.stop = CollectorRegistry(), asyncio.Event()
        self.delivery = Delivery(self.receiver, options, NotificationMetrics(self.registry), self.stop)

    async def tell(self, message: Any = None, newest_ms: int | None = None) -> None:
        """Deliver one message."""
        now_ms = int(time.time() * 1000) if newest_ms is None else newest_ms
        await self.delivery.deliver(message or notice(), now_ms)

    @property
    def retries(self) -> float:
        """How many tries were made again."""
        return self.registry.get_sample_value("smartbank_notifications_retries_total") or 0.0


async def test_a_webhook_is_signed_anew_at_each_try_under_the_same_id(secret_file: Path) -> None:
    """It goes on until it is taken: errors, a reset, a redirect, no answer in time."""
    async with Inbox([500, 0, 429, 401, 302, -1, 204]) as inbox:
        telling = Telling(url=inbox.url, secret_file=str(secret_file), timeout_s=0.3)
        await telling.tell()
        await telling.receiver.close()
    assert [request.answer for request in inbox.requests] == [500, 0, 429, 401, 302, -1, 204]
    assert telling.retries == 6
    (secret,) = secrets_of(SECRET)
    for request in inbox.requests:
        assert request.id == notice().id
        sent_s = int(request.headers["webhook-timestamp"])
        assert abs(sent_s - time.time()) < 60
        assert request.headers["webhook-signature"] == signature(secret, request.id, sent_s, request.body)
    assert not telling.delivery.is_away


@pytest.mark.parametrize("status", [400, 405, 410, 422])
async def test_a_refusal_is_not_tried_again(status: int, secret_file: Path) -> None:
    """The next message is another one."""
    async with Inbox([status]) as inbox:
        telling = Telling(url=inbox.url, secret_file=str(secret_file))
        with pytest.raises(MessageRefusedError, match=f"answered {status}") as caught:
            await telling.tell()
        await telling.receiver.close()
    assert caught.value.reason_code == f"status_{status}"
    assert len(inbox.requests) == 1


async def test_it_does_not_come_sooner_than_the_receiver_asks(secret_file: Path) -> None:
    """Retry-After is honoured, in both of its forms."""
    async with Inbox([503, 200], headers={"Retry-After": "7"}) as inbox:
        telling = Telling(url=inbox.url, secret_file=str(secret_file))
        with pytest.raises(ReceiverAwayError) as caught:
            await telling.receiver.send(notice())
        await telling.receiver.close()
    assert caught.value.retry_after_s == 7.0
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    class Asking:
        """Asks for seven seconds, once."""

        async def send(self, _: object) -> None:
            if not pauses:
                raise caught.value

        async def close(self) -> None:
            """Nothing."""

    delivery = Delivery(Asking(), QUICK, NotificationMetrics(CollectorRegistry()), asyncio.Event())
    delivery.pause = pause  # type: ignore[method-assign]
    await delivery.deliver(notice(), int(time.time() * 1000))
    assert pauses == [7.0]
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    in_a_minute = format_datetime(now + timedelta(seconds=60), usegmt=True)
    for header, expected_s in (
        (in_a_minute, 60.0),
        ("120", 120.0),
        ("soon", None),
        ("99999999", 3600.0),
        (None, None),
    ):
        assert retry_after_s(header, now.timestamp()) == expected_s


async def test_what_is_too_old_is_tried_once_more_and_given_up(secret_file: Path) -> None:
    """A receiver that will not have one message keeps the others waiting for a while, not for ever."""
    async with Inbox([500, 500, 200]) as inbox:
        telling = Telling(url=inbox.url, secret_file=str(secret_file))
        with pytest.raises(MessageRefusedError, match="not delivered in time") as caught:
            await telling.tell(newest_ms=0)
        assert caught.value.reason_code == "given_up"
        assert len(inbox.requests) == 1
        await telling.tell()
        await telling.receiver.close()
    assert [request.answer for request in inbox.requests] == [500, 500, 200]


async def test_a_stop_ends_the_waiting(secret_file: Path) -> None:
    """At once, although the receiver wants an hour."""
    async with Inbox([503], headers={"Retry-After": "3600"}) as inbox:
        telling = Telling(url=inbox.url, secret_file=str(secret_file))
        telling_on = asyncio.create_task(telling.tell())
        await inbox.came.wait()
        telling.stop.set()
        with pytest.raises(StoppedError):
            await telling_on
        await telling.receiver.close()


async def test_slack_gets_what_slack_takes() -> None:
    """Unsigned: the address is the secret."""
    async with Inbox() as inbox:
        telling = Telling(channel="slack", url=inbox.url)
        await telling.tell()
        await telling.tell(digest_of([notice(1), notice(2)]))
        await telling.receiver.close()
    assert [request.json["text"] for request in inbox.requests] == [
        "Flagged: 1.00 at Merchant 73, card …1977",
        "2 flagged",
    ]
    assert "webhook-signature" not in inbox.requests[0].headers


# -- mail -------------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    """Who signs the mail server's certificate."""
    return trustme.CA()


def tls_of(authority: trustme.CA) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def mailing(server: MailServer, tmp_path: Path, authority: trustme.CA, **more: Any) -> Telling:
    """A delivery to that server, with login and TLS."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("sesame\n")
    settings = {
        "channel": "email",
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_username": "bank",
        "smtp_password_file": str(tmp_path / "password"),
        "ca_file": str(tmp_path / "ca.pem"),
        "mail_from": "bank@example.com",
        "mail_to": "desk@example.com, night@example.com",
    }
    return Telling(**(settings | more))


async def test_mail_goes_over_tls_to_all_recipients(tmp_path: Path, authority: trustme.CA) -> None:
    """Its Message-ID is the event's: a mailbox may know repeats by it."""
    async with MailServer(tls_of(authority)) as server:
        await mailing(server, tmp_path, authority).tell()
    (mail,) = server.mails
    assert mail["Subject"] == "Flagged: 1.00 at Merchant 73, card …1977"
    assert mail["To"] == "desk@example.com, night@example.com"
    assert mail["Message-ID"] == f"<{notice().id}@example.com>"
    assert "Transaction: t1" in mail.get_content()
    started = server.commands.index("STARTTLS")
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands[:started])
    assert sum(command.upper().startswith("RCPT") for command in server.commands) == 2


async def test_mail_waits_for_its_server(tmp_path: Path, authority: trustme.CA) -> None:
    """4yz, a wrong login and an unknown authority are mended by somebody; 5yz is not."""
    async with MailServer(tls_of(authority)) as server:
        for command, reply, said in (
            ("RCPT", "450", "no recipient is accepted yet"),
            ("DATA", "451", "the message is not accepted yet"),
            ("AUTH", "535", "refuses the login"),
        ):
            server.replies = {command: reply}
            with pytest.raises(ReceiverAwayError, match=said):
                await mailing(server, tmp_path, authority).receiver.send(notice())
        server.replies = {}
        with pytest.raises(ReceiverAwayError, match="SSLCertVerificationError"):
            await mailing(server, tmp_path, trustme.CA()).receiver.send(notice())
        for command in ("RCPT", "MAIL", "DATA"):
            server.replies = {command: "550"}
            with pytest.raises(MessageRefusedError) as caught:
                await mailing(server, tmp_path, authority).tell()
            assert caught.value.reason_code == "smtp_550"
    assert not server.mails
    with pytest.raises(ReceiverAwayError, match="no mail server"):
        await mailing(server, tmp_path, authority).receiver.send(notice())


# -- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "SMARTBANK_NOTIFY_URL, or the file"),
        ({"notify_url": "http://hooks.example/secret"}, "https://"),
        ({"notify_url": "https://hooks.example/secret"}, "SMARTBANK_NOTIFY_SECRET_FILE is empty"),
        ({"notify_channel": "email"}, "SMARTBANK_NOTIFY_SMTP_HOST is empty"),
        (
            {
                "notify_channel": "email",
                "notify_smtp_host": "mail.example",
                "notify_mail_from": "a@b",
                "notify_mail_to": "c@d",
                "notify_smtp_security": "none",
            },
            "only a mail server of this machine",
        ),
        (
            {
                "notify_channel": "email",
                "notify_smtp_host": "mail.example",
                "notify_mail_from": "a@b",
                "notify_mail_to": "c",
            },
            "wanted NAME@DOMAIN",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], said: str) -> None:
    """At the start, in one line, which quotes no address of a webhook."""
    with pytest.raises(ConfigError, match=said) as caught:
        receiver_of(Settings(**settings))
    assert "/secret" not in str(caught.value)


def test_a_bad_secret_is_not_quoted(tmp_path: Path) -> None:
    """It may be a good one with a typing error."""
    path = tmp_path / "secret"
    for content in ("whsec_sesame", "sesame!"):
        path.write_text(content)
        with pytest.raises(ConfigError, match="openssl rand") as caught:
            receiver_of(Settings(notify_url="https://x/", notify_secret_file=str(path)))
        assert "sesame" not in str(caught.value)
