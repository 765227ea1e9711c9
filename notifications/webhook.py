"""Messages to an HTTP address: signed, or as Slack takes them."""

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from notifications.digest import Message
from notifications.receiver import MessageRefusedError, ReceiverAwayError
from notifications.signature import signed_headers

log = logging.getLogger(__name__)

# A secret that has changed, or an address, is mended at the other end: nothing need be given up for it.
_COME_BACK = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_LONGEST_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Where messages go. `secrets`: none, and nothing is signed."""

    url: str = field(repr=False)
    body_of: Callable[[Message], bytes]
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    timeout_s: float
    tls: ssl.SSLContext | None = None


class Webhook:
    """POSTs each message. Any 2xx is yes; 4xx but 408 and 429 is no for ever; all else is tried again."""

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Message) -> None:
        """Send it once, signed with the time of this try. Raises as a Receiver does."""
        options, body = self._options, self._options.body_of(message)
        headers = {"Content-Type": "application/json", "User-Agent": "smart-bank-streams"}
        if options.secrets:
            headers |= signed_headers(options.secrets, message.id, int(time.time()), body)
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=options.timeout_s))
        try:
            async with self._session.post(
                options.url,
                data=body,
                headers=headers,
                ssl=options.tls or True,
                allow_redirects=False,  # a signed message goes where it was meant to go
            ) as answer:
                status, retry_after = answer.status, answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ReceiverAwayError(f"no answer ({type(error).__name__})") from None
        _judge(status, retry_after)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _judge(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    if 400 <= status < 500 and status not in _COME_BACK:
        raise MessageRefusedError(f"status_{status}", f"the receiver answered {status}")
    raise ReceiverAwayError(f"it answered {status}", retry_after_s=retry_after_s(retry_after, time.time()))


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Seconds of a Retry-After (RFC 9110: a number, or a date), an hour at most; None: there is none."""
    if header is None:
        return None
    try:
        asked_s = float(header) if header.strip().isdecimal() else _until_s(header, now_s)
    except ValueError:
        return None
    return min(max(asked_s, 0.0), _LONGEST_RETRY_AFTER_S)


def _until_s(date: str, now_s: float) -> float:
    return parsedate_to_datetime(date).timestamp() - now_s
