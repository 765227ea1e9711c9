"""Which event is told alone, which in a digest, which not again."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Any, Final, NamedTuple

from notifications.digest import Digest, Message, digest_of
from notifications.metrics import NotificationMetrics
from notifications.notice import Notice
from notifications.pace import Pace
from notifications.receiver import MessageRefusedError

log = logging.getLogger(__name__)

MOST_HELD: Final = 1000
"""Events of a digest: with their records some megabytes."""
_MOST_REMEMBERED: Final = 100_000

Deliver = Callable[[Message, int], Awaitable[None]]
"""Returns when the receiver has the message; takes the record timestamp of its youngest event, too."""
PutAside = Callable[[Sequence[Any], MessageRefusedError], Awaitable[None]]
"""Makes dead letters of records; returns when they cannot be lost any more."""
Pause = Callable[[float], Awaitable[None]]


class Told(NamedTuple):
    """An event, and the record that it came in (aiokafka's ConsumerRecord)."""

    notice: Notice
    record: Any


class Desk:
    """Takes events in their order and has them told, each once.

    While the pace allows it, each event is a message of its own. Otherwise it waits, with all that come after
    it, for a digest, which leaves as soon as a message may: so the events of a transaction stay in order.
    One task calls `take` and `turn`. Where they raise StoppedError, what was not told is still not told.
    """

    def __init__(
        self,
        *,
        deliver: Deliver,
        put_aside: PutAside,
        pause: Pause,
        pace: Pace,
        metrics: NotificationMetrics,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deliver = deliver
        self._put_aside = put_aside
        self._pause = pause
        self._pace = pace
        self._metrics = metrics
        self._clock_s = clock_s
        self._held: dict[str, Told] = {}  # by the event's id, in the order in which they came
        self._known: dict[str, None] = {}  # ids of what was told, oldest first
        metrics.queue.set_function(lambda: len(self._held))

    @property
    def is_clear(self) -> bool:
        """Everything that was taken is told, or its record a dead letter: offsets may be committed."""
        return not self._held

    @property
    def wait_s(self) -> float:
        """How long until `turn` has something to do."""
        return self._pace.wait_s(self._clock_s()) if self._held else inf

    async def take(self, told: Told) -> None:
        """Tell it, or hold it for the digest; wait while that is full."""
        if told.notice.id in self._known or told.notice.id in self._held:
            self._metrics.repeated.inc()
            return
        if not self._held and not self._pace.wait_s(self._clock_s()):
            await self._tell(told.notice, [told])
            return
        self._held[told.notice.id] = told
        while len(self._held) >= MOST_HELD:
            await self._pause(self.wait_s)
            await self.turn()

    async def turn(self) -> None:
        """Send the digest if a message may be sent."""
        if self.wait_s:
            return
        all_told = list(self._held.values())
        message = digest_of([each.notice for each in all_told]) if len(all_told) > 1 else all_told[0].notice
        await self._tell(message, all_told)
        for each in all_told:
            self._held.pop(each.notice.id, None)

    def drop(self) -> None:
        """Forget what is held: its partitions have another owner, who reads it again."""
        self._held.clear()

    async def _tell(self, message: Message, all_told: Sequence[Told]) -> None:
        """Deliver a message with these events; their records become dead letters where it is refused."""
        try:
            await self._deliver(message, max(each.record.timestamp for each in all_told))
        except MessageRefusedError as error:
            await self._put_aside([each.record for each in all_told], error)
        else:
            self._count(message, all_told)
        self._pace.note(self._clock_s())  # a message that was tried for minutes has come just now
        for each in all_told:
            self._known[each.notice.id] = None
            if len(self._known) > _MOST_REMEMBERED:
                del self._known[next(iter(self._known))]

    def _count(self, message: Message, all_told: Sequence[Told]) -> None:
        self._metrics.messages.inc()
        if isinstance(message, Digest):
            self._metrics.digests.inc()
        now_ms = time.time() * 1000
        for notice, record in all_told:
            self._metrics.sent.labels(notice.event).inc()
            self._metrics.delay_seconds.observe(max(now_ms - record.timestamp, 0) / 1000)
