"""Messages as e-mail, over SMTP (RFC 5321) with TLS."""

import asyncio
import logging
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal

from notifications.digest import Digest, Message
from notifications.receiver import MessageRefusedError, ReceiverAwayError
from notifications.words import lines_of, subject_of

log = logging.getLogger(__name__)

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions:
    """Server, and from whom to whom."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str
    recipients: Sequence[str]
    timeout_s: float
    tls: ssl.SSLContext | None = None


class Mail:
    """Sends each message over a connection of its own: they are few, and none is found stale."""

    def __init__(self, options: MailOptions) -> None:
        self._options = options

    async def send(self, message: Message) -> None:
        """Return when the server has taken it for at least one recipient. Raises as a Receiver does."""
        await asyncio.to_thread(self._send, mail_of(message, self._options.sender, self._options.recipients))

    async def close(self) -> None:
        """Nothing stays open."""

    def _send(self, mail: EmailMessage) -> None:
        try:
            server = self._connection()
            try:
                refused = server.send_message(mail)
            finally:
                # What was taken is not sent again because the goodbye failed.
                with suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPAuthenticationError as error:
            raise ReceiverAwayError(f"the mail server refuses the login ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            _judge([code for code, _ in error.recipients.values()], "no recipient is accepted")
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            _judge([error.smtp_code], "the message is not accepted")
        except (smtplib.SMTPException, OSError) as error:  # ssl's errors are OSErrors
            raise ReceiverAwayError(f"no mail server ({type(error).__name__})") from None
        else:
            if refused:
                log.warning("the mail server refuses recipients refused=%d", len(refused))

    def _connection(self) -> smtplib.SMTP:
        options = self._options
        if options.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.host, options.port, timeout=options.timeout_s, context=options.tls
            )
        else:
            server = smtplib.SMTP(options.host, options.port, timeout=options.timeout_s)
        try:
            if options.security == "starttls":
                server.starttls(context=options.tls)
            if options.username:
                server.login(options.username, options.password)
        except BaseException:
            server.close()
            raise
        return server


def _judge(codes: Sequence[int], what: str) -> None:
    """5yz is no for ever (RFC 5321, 4.2.1); 4yz is tried again, as long as one of the codes is."""
    if all(code >= 500 for code in codes):
        raise MessageRefusedError(f"smtp_{codes[0]}", f"{what} ({codes[0]})") from None
    raise ReceiverAwayError(f"{what} yet ({min(codes)})") from None


def mail_of(message: Message, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The mail. Its Message-ID is the message's, so that mailboxes that look for repeats find them."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = subject_of(message)
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2].rstrip('>') or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no absence note answers it
    lines = list(lines_of(message))
    if not isinstance(message, Digest) and message.link:
        lines.append(message.link)
    mail.set_content("\n".join(lines) + "\n")
    return mail
