"""Who is told. notifications/delivery.py does the rest, the same for all of them."""

from typing import Protocol

from notifications.digest import Message
from streaming.errors import RecordError, RetryableError


class ReceiverAwayError(RetryableError):
    """The receiver cannot take messages now. `retry_after_s`: where it says itself how long to wait.

    The text is for the log: no address of a webhook, which may be a secret, and nothing that was answered.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class MessageRefusedError(RecordError):
    """The receiver will never take this message: its events become dead letters."""


class Receiver(Protocol):
    """Takes messages, some of them again after a crash, under the id that they had."""

    async def send(self, message: Message) -> None:
        """Return when the receiver has the message. Raises ReceiverAwayError, MessageRefusedError."""

    async def close(self) -> None:
        """Let go of connections."""
