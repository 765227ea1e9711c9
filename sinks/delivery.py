"""From chunks of records to a store: batches, retries, circuit breaker, dead letters; the same for all."""

import asyncio
import logging
import time
from asyncio import Future
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from sinks.base import Rejection, Row, Sink, StoreAwayError
from sinks.breaker import Breaker, State
from sinks.metrics import SinkMetrics
from streaming.chunk import Event
from streaming.errors import RecordError

log = logging.getLogger(__name__)

Refused = tuple[Event, RecordError]
PutAside = Callable[[Sequence[Refused]], Awaitable[None]]
"""Makes dead letters; returns when they cannot be lost any more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """How rows are delivered; docs/settings.md says what changes with each."""

    batch_max_rows: int = 1000
    batch_max_wait_s: float = 0.2
    buffer_max_rows: int = 4000
    write_timeout_s: float = 30.0
    retry_min_s: float = 0.1
    retry_max_s: float = 15.0
    breaker_failures: int = 5
    breaker_open_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Events of one chunk on their way to the store."""

    events: Sequence[Event]
    delivered: Future[None]
    taken_s: float


class Delivery:
    """Brings rows to one store, in the order in which they came, a batch at a time.

    Guaranteed: the future of `take` is done only when each of its rows is in the store or in the dead
    letters. While the store is away at most `buffer_max_rows` and a chunk wait here; `take` waits, too. A
    future that is given up stays undone: it is never cancelled, as if its output were lost.
    """

    def __init__(
        self, sink: Sink, options: DeliveryOptions, metrics: SinkMetrics, put_aside: PutAside
    ) -> None:
        self._sink = sink
        self._options = options
        self._metrics = metrics
        self._put_aside = put_aside
        self._breaker = Breaker(failures=options.breaker_failures, open_s=options.breaker_open_s)
        self._backoff = wait_random_exponential(multiplier=options.retry_min_s, max=options.retry_max_s)
        self._parcels: deque[_Parcel] = deque()
        self._rows = 0  # in the parcels, those of the batch that is being written included
        self._changed = asyncio.Event()
        self._hurries = False
        self.is_open = False
        metrics.oldest_row_seconds.set_function(self._oldest_row_s)
        metrics.breaker_state.set_function(lambda: self._breaker.state)

    @property
    def breaker_state(self) -> State:
        """Open: the store has failed often in a row."""
        return self._breaker.state

    async def take(self, events: Sequence[Event]) -> Future[None]:
        """Accept a chunk's events; wait while the buffer is full."""
        while self._rows and self._rows + len(events) > self._options.buffer_max_rows:
            await self._next_change()
        delivered: Future[None] = asyncio.get_running_loop().create_future()
        self._parcels.append(_Parcel(events, delivered, time.monotonic()))
        self._count(len(events))
        return delivered

    def hurry(self) -> None:
        """Write what waits for company at once: a rebalance or the end is near."""
        self._hurries = True
        self._changed.set()

    async def run(self) -> None:
        """Open the store, then deliver until cancelled. Raises ConfigError where only a person can help."""
        try:
            await self._persist(self._sink.open)
            self.is_open = True
            log.info("store open sink=%s", self._sink.name)
            while True:
                await self._deliver(await self._next_batch())
        finally:
            await self._sink.close()

    # -- batches --------------------------------------------------------------------------------------

    async def _next_batch(self) -> list[_Parcel]:
        """The oldest parcels, once they fill a batch or the first has waited long enough."""
        while not self._parcels:
            self._hurries = False
            await self._next_change()
        due_s = self._parcels[0].taken_s + self._options.batch_max_wait_s
        while self._rows < self._options.batch_max_rows and not self._hurries:
            with suppress(TimeoutError):
                async with asyncio.timeout(due_s - time.monotonic()):
                    await self._next_change()
                    continue
            break
        return self._oldest()

    def _oldest(self) -> list[_Parcel]:
        """As many of the oldest parcels as a batch holds. They stay until they are delivered."""
        batch: list[_Parcel] = []
        rows = 0
        for parcel in self._parcels:
            rows += len(parcel.events)
            if batch and rows > self._options.batch_max_rows:
                break
            batch.append(parcel)
        return batch

    async def _deliver(self, batch: Sequence[_Parcel]) -> None:
        """Write a batch, put aside what is refused, and say so to whoever waits for its parcels."""
        events = [event for parcel in batch for event in parcel.events]
        rows = {event[2].row_token: event[2] for event in events if not isinstance(event[2], RecordError)}
        rejections = await self._persist(lambda: self._write(list(rows.values()))) if rows else ()
        errors = {each.row_token: RecordError(each.reason_code, each.reason) for each in rejections}
        self._metrics.rows_written.inc(len(rows) - len(errors))
        if errors or len(rows) < len(events):
            await self._refuse(events, errors)
        for parcel in batch:
            self._parcels.popleft()
            parcel.delivered.set_result(None)
        self._count(-len(events))

    async def _write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        with self._metrics.batch_seconds.time():
            return await self._sink.write(rows)

    async def _refuse(self, events: Sequence[Event], errors: dict[str, RecordError]) -> None:
        judged = [(event, _error_of(event, errors)) for event in events]
        refused = [(event, error) for event, error in judged if error is not None]
        for _, error in refused:
            self._metrics.reject(error.reason_code)
        if refused:
            await self._put_aside(refused)
            log.warning("rows became dead letters sink=%s rows=%d", self._sink.name, len(refused))

    # -- a store that is away -------------------------------------------------------------------------

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call the store until it answers, with pauses that grow."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreAwayError), wait=self._pause_s, before_sleep=self._note_failure
        )
        began_s = time.monotonic()
        async for attempt in retrying:
            with attempt:
                answer = await self._within_timeout(call)
        self._breaker.succeed()
        if attempt.retry_state.attempt_number > 1:
            log.info("store is back sink=%s away_s=%.1f", self._sink.name, time.monotonic() - began_s)
        return answer

    async def _within_timeout(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call it once. Raises StoreAwayError, also where no answer comes."""
        try:
            async with asyncio.timeout(self._options.write_timeout_s):
                return await call()
        except StoreAwayError:
            self._breaker.fail()
            raise
        except TimeoutError:
            self._breaker.fail()
            raise StoreAwayError(f"no answer within {self._options.write_timeout_s:g} s") from None

    def _pause_s(self, attempt: RetryCallState) -> float:
        """Full jitter, and not before the breaker or the store itself allows."""
        error = attempt.outcome.exception() if attempt.outcome else None
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, StoreAwayError) else 0.0
        return max(self._backoff(attempt), self._breaker.wait_s, asked_s)

    def _note_failure(self, attempt: RetryCallState) -> None:
        self._metrics.retries.inc()
        first, opened = attempt.attempt_number == 1, self._breaker.state is State.OPEN
        if first or opened:
            error = attempt.outcome.exception() if attempt.outcome else None
            log.warning(
                "store is away sink=%s try=%d again_in_s=%.1f breaker=%s: %s",
                self._sink.name,
                attempt.attempt_number,
                attempt.upcoming_sleep,
                self._breaker.state.name.lower(),
                error,
            )

    # -- the buffer -----------------------------------------------------------------------------------

    def _count(self, rows: int) -> None:
        self._rows += rows
        self._metrics.buffered_rows.set(self._rows)
        self._changed.set()

    async def _next_change(self) -> None:
        """Return when a parcel came, left, or somebody hurries."""
        self._changed.clear()
        await self._changed.wait()

    def _oldest_row_s(self) -> float:
        return time.monotonic() - self._parcels[0].taken_s if self._parcels else 0.0


def _error_of(event: Event, errors: dict[str, RecordError]) -> RecordError | None:
    """Why an event is not in the store; None where it is."""
    value = event[2]
    return value if isinstance(value, RecordError) else errors.get(value.row_token)
