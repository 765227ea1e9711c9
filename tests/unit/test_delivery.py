"""What a delivery does around a store, with one that fails as it is told to."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain

import pytest

from sinks.base import Rejection, Row, StoreAwayError
from sinks.delivery import DeliveryOptions
from streaming.errors import ConfigError, RecordError
from tests.contract.delivering import QUICK, Delivering, delivering, events
from tests.rows import row, rows

Behaviour = Callable[[Sequence[Row]], Sequence[Rejection]]
TIMEOUT_S = 10.0


class Memory:
    """A store in memory. `behave` may raise, or reject; `held` keeps writes waiting."""

    name = "memory"

    def __init__(self, behave: Behaviour = lambda _: ()) -> None:
        self.batches: list[list[str]] = []
        self.behave = behave
        self.held = asyncio.Event()
        self.held.set()
        self.closed = 0

    async def migrate(self) -> Sequence[str]:
        """Nothing to do."""
        return []

    async def open(self) -> None:
        """Always there."""

    async def write(self, rows: Sequence[Row]) -> Sequence[Rejection]:
        """Keep the tokens."""
        await self.held.wait()
        rejections = self.behave(rows)
        self.batches.append([each.row_token for each in rows])
        return rejections

    async def close(self) -> None:
        """Count."""
        self.closed += 1


def failing(times: int, error: Exception) -> Behaviour:
    """Fail so often, then work."""
    errors = iter([error] * times)

    def behave(_: Sequence[Row]) -> Sequence[Rejection]:
        if failure := next(errors, None):
            raise failure
        return ()

    return behave


async def test_chunks_share_a_batch_up_to_its_size() -> None:
    """In the order in which they came."""
    sink = Memory()
    sink.held.clear()
    async with delivering(sink) as running:
        delivered = asyncio.create_task(running.deliver(rows(260), chunk_rows=20))
        await running.wait_for("smartbank_sink_buffered_rows", 260)
        sink.held.set()
        await delivered
    assert [len(batch) for batch in sink.batches] == [100, 100, 60]
    assert list(chain.from_iterable(sink.batches)) == [each.row_token for each in rows(260)]


async def test_a_row_waits_for_company_only_so_long() -> None:
    """And not at all where somebody hurries."""
    sink = Memory()
    patient = replace(QUICK, batch_max_wait_s=3600.0)
    async with delivering(sink, patient) as running:
        first = await running.delivery.take(events(rows(3)))
        await asyncio.sleep(0.05)
        assert not first.done()
        running.delivery.hurry()
        async with asyncio.timeout(TIMEOUT_S):
            await first
        second = await running.delivery.take(events(rows(3)))
        await asyncio.sleep(0.05)
        assert not second.done(), "the hurry is over"
    async with delivering(sink, replace(QUICK, batch_max_wait_s=0.02)) as running:
        async with asyncio.timeout(TIMEOUT_S):
            await (await running.delivery.take(events(rows(3))))


async def test_the_buffer_is_bounded_while_the_store_is_away() -> None:
    """Whoever brings rows waits, however long."""
    sink = Memory()
    sink.held.clear()
    async with delivering(sink, replace(QUICK, write_timeout_s=3600.0)) as running:
        delivered = asyncio.create_task(running.deliver(rows(1000)))
        await running.wait_for("smartbank_sink_buffered_rows", 300)
        await asyncio.sleep(0.05)
        assert running.metric("smartbank_sink_buffered_rows") == 300
        assert running.metric("smartbank_sink_oldest_row_seconds") > 0
        sink.held.set()
        await delivered
        assert running.metric("smartbank_sink_buffered_rows") == 0
        assert running.metric("smartbank_sink_oldest_row_seconds") == 0


async def test_a_row_that_came_twice_is_written_once_a_batch() -> None:
    """Stores may count on different tokens; each copy is acknowledged, and put aside where it is refused."""
    twice = row(1)
    sink = Memory(lambda _: [Rejection(row_token=twice.row_token, reason_code="schema", reason="no")])
    async with delivering(sink) as running:
        await running.deliver([twice, row(2), twice])
    assert sink.batches == [[twice.row_token, row(2).row_token]]
    assert [event[1].offset for event, _ in running.refused] == [0, 2]


async def test_what_could_not_be_read_never_reaches_the_store() -> None:
    """It is put aside with the reason of its decoder."""
    sink = Memory()
    bad = RecordError("malformed", "not JSON")
    async with delivering(sink) as running:
        (tp, record, _), *good = events(rows(3))
        async with asyncio.timeout(TIMEOUT_S):
            await (await running.delivery.take([(tp, record, bad), *good]))
        assert running.refused == [((tp, record, bad), bad)]
        async with asyncio.timeout(TIMEOUT_S):
            await (await running.delivery.take([(tp, record, bad)]))
    assert [len(batch) for batch in sink.batches] == [2]


async def test_a_store_that_is_away_is_asked_again_with_the_same_batch() -> None:
    """The pause is at least what the store asked for."""
    loop = asyncio.get_running_loop()
    sink = Memory(failing(1, StoreAwayError("throttled", retry_after_s=0.3)))
    async with delivering(sink) as running:
        began_s = loop.time()
        await running.deliver(rows(10))
        assert loop.time() - began_s >= 0.3
        assert running.metric("smartbank_sink_retries_total") == 1


async def test_a_store_that_never_answers_counts_as_away() -> None:
    """The call is cancelled and made again."""
    sink = Memory()
    sink.held.clear()
    async with delivering(sink, replace(QUICK, write_timeout_s=0.05)) as running:
        delivered = asyncio.create_task(running.deliver(rows(10)))
        await running.wait_for("smartbank_sink_breaker_state", 2)
        sink.held.set()
        await delivered
        assert running.metric("smartbank_sink_breaker_state") == 0


@pytest.mark.parametrize("error", [ConfigError("SMARTBANK_X"), KeyError("a mistake")])
async def test_any_other_error_ends_it(error: Exception) -> None:
    """With nothing acknowledged, and the store closed."""
    sink = Memory(failing(1, error))
    running = Delivering(sink, DeliveryOptions(batch_max_wait_s=0.0))
    delivered = await running.delivery.take(events(rows(1)))
    with pytest.raises(type(error)):
        await running.delivery.run()
    assert not delivered.done()
    assert sink.closed == 1
