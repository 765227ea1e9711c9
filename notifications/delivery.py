"""One message until it is delivered: retries, with pauses that grow."""

import asyncio
import logging
import time
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from notifications.digest import Message
from notifications.metrics import NotificationMetrics
from notifications.receiver import MessageRefusedError, Receiver, ReceiverAwayError

log = logging.getLogger(__name__)

_STILL_AWAY_LOG_S = 300.0


class StoppedError(Exception):
    """The process is to end; what was under way is told after the next start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """docs/settings.md says what changes with each."""

    retry_min_s: float = 0.5
    retry_max_s: float = 60.0
    give_up_s: float = 259_200.0


class Delivery:
    """Brings one message after the other to the receiver.

    `deliver` returns when the receiver has it. A message that the receiver refuses, or that is older than
    `give_up_s` and was tried once more, is refused for good. `stop` ends a pause, never a try.
    """

    def __init__(
        self, receiver: Receiver, options: DeliveryOptions, metrics: NotificationMetrics, stop: asyncio.Event
    ) -> None:
        self._receiver = receiver
        self._options = options
        self._metrics = metrics
        self._stop = stop
        self._backoff = wait_random_exponential(multiplier=options.retry_min_s, max=options.retry_max_s)
        self._away_since_s: float | None = None
        self._logged_s = 0.0
        metrics.away_seconds.set_function(self._away_s)

    @property
    def is_away(self) -> bool:
        """Whether the last try failed."""
        return self._away_since_s is not None

    async def deliver(self, message: Message, newest_ms: int) -> None:
        """Send until it is taken. `newest_ms`: when the youngest event in it was recorded.

        Raises MessageRefusedError and StoppedError.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ReceiverAwayError),
            wait=self._pause_s,
            stop=lambda _: time.time() - newest_ms / 1000 > self._options.give_up_s,
            sleep=self.pause,
            before_sleep=self._note_failure,
            reraise=True,
        )
        try:
            await retrying(self._receiver.send, message)
        except ReceiverAwayError as error:
            raise MessageRefusedError("given_up", f"not delivered in time: {error}") from error
        except MessageRefusedError:
            self._note_answer()
            raise
        self._note_answer()

    async def pause(self, seconds: float) -> None:
        """Wait. Raises StoppedError where the process is to end."""
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return
        raise StoppedError

    def _pause_s(self, attempt: RetryCallState) -> float:
        """Full jitter, and not before the receiver itself allows."""
        error = attempt.outcome.exception() if attempt.outcome else None
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, ReceiverAwayError) else 0.0
        return max(self._backoff(attempt), asked_s)

    def _note_answer(self) -> None:
        if self._away_since_s is not None:
            log.info("receiver is back away_s=%.1f", self._away_s())
            self._away_since_s = None

    def _note_failure(self, attempt: RetryCallState) -> None:
        self._metrics.retries.inc()
        now_s = time.monotonic()
        is_first = self._away_since_s is None
        if self._away_since_s is None:
            self._away_since_s = now_s
        if is_first or now_s - self._logged_s > _STILL_AWAY_LOG_S:
            self._logged_s = now_s
            error = attempt.outcome.exception() if attempt.outcome else None
            log.warning(
                "receiver is away try=%d again_in_s=%.1f: %s",
                attempt.attempt_number,
                attempt.upcoming_sleep,
                error,
            )

    def _away_s(self) -> float:
        return 0.0 if self._away_since_s is None else time.monotonic() - self._away_since_s
