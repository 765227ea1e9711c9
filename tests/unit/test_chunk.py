"""What is committed is acknowledged: by chunk, in order, and never over a loss."""

from concurrent.futures import Future  # like asyncio's, but calls back at once: no loop is needed

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streaming.chunk import Chunk, Event, Ledger
from streaming.errors import OutputLostError
from tests.messages import record

INPUT = TP("transaction_data", 3)
EVENTS: list[Event] = [(INPUT, record(), "decoded")]


class Losses(list[OutputLostError]):
    """Remembers what was reported lost."""

    def chunk(self, end: int = 10) -> Chunk:
        """A chunk of INPUT that ends before offset `end`."""
        return Chunk(INPUT.partition, lambda: EVENTS, {INPUT: end}, self.append)


def sends(count: int) -> list[Future[None]]:
    """Futures of sends that are on their way."""
    return [Future() for _ in range(count)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_only_a_prefix_of_acknowledged_chunks_is_committed(sends_by_chunk: list[int], order: object) -> None:
    """Whatever the order of acknowledgements: an offset speaks for all before it."""
    losses, ledger = Losses(), Ledger()
    futures = [sends(count) for count in sends_by_chunk]
    for number, of_chunk in enumerate(futures):
        chunk = losses.chunk(end=number + 1)
        ledger.enter(chunk)
        chunk.begin()
        chunk.acknowledge_after(of_chunk)

    def prefix() -> int:
        done = [all(future.done() for future in of_chunk) for of_chunk in futures]
        return done.index(False) if False in done else len(done)

    committed = 0
    on_their_way = [future for of_chunk in futures for future in of_chunk]
    order.shuffle(on_their_way)  # type: ignore[attr-defined]  # a random.Random
    for future in [None, *on_their_way]:
        if future is not None:
            future.set_result(None)
        committed = ledger.close().get(INPUT, committed)
        assert committed == prefix()
        assert ledger.close() == {}, "what was struck out is not reported again"
    assert committed == len(sends_by_chunk)
    assert not losses


def test_events_are_decoded_for_as_long_as_somebody_works_on_them() -> None:
    """What waits for its turn, or for a commit, is raw records, and then nothing."""
    chunk = Losses().chunk()
    assert not chunk.events
    chunk.begin()
    assert chunk.events == EVENTS
    chunk.acknowledge_after(sends(1))
    assert not chunk.events


def test_a_chunk_that_nothing_follows_from_is_acknowledged_at_once() -> None:
    """Locations that were all repeats must not hold the partition up."""
    chunk = Losses().chunk()
    chunk.begin()
    chunk.acknowledge_after([])
    assert chunk.acknowledged


def test_a_chunk_is_not_acknowledged_before_its_last_send() -> None:
    """One of three is not enough, nor two."""
    chunk, futures = Losses().chunk(), sends(3)
    chunk.acknowledge_after(futures)
    for future in futures:
        assert not chunk.acknowledged
        future.set_result(None)
    assert chunk.acknowledged


@pytest.mark.parametrize("kind", ["refused", "cancelled"])
def test_a_send_that_fails_is_reported_and_nothing_is_acknowledged(kind: str) -> None:
    """The other sends of the chunk succeed; its offset must still not be committed."""
    losses, ledger = Losses(), Ledger()
    lost, after = losses.chunk(end=10), losses.chunk(end=20)
    first, failing, last = sends(3)
    for chunk, of_chunk in ((lost, [first, failing, last]), (after, [])):
        ledger.enter(chunk)
        chunk.begin()
        chunk.acknowledge_after(of_chunk)
    first.set_result(None)
    if kind == "refused":
        failing.set_exception(RuntimeError("record too large"))
    else:
        failing.cancel()
    last.set_result(None)
    assert not lost.acknowledged
    assert ledger.close() == {}
    assert not ledger.settled()
    [error] = losses
    assert "transaction_data[3] before 10" in str(error)
    assert ("record too large" if kind == "refused" else "cancelled") in str(error)


def test_a_send_that_failed_before_the_chunk_heard_of_it_is_reported() -> None:
    """The broker may be quicker than the agent."""
    losses = Losses()
    [failed] = sends(1)
    failed.set_exception(RuntimeError("not authorized"))
    chunk = losses.chunk()
    chunk.acknowledge_after([failed])
    assert not chunk.acknowledged
    assert len(losses) == 1


def test_settled_means_that_everything_begun_is_acknowledged() -> None:
    """A rebalance waits for what an agent has in hands, not for what still lies in its queue."""
    losses, ledger = Losses(), Ledger()
    assert ledger.settled()
    chunk, queued = losses.chunk(10), losses.chunk(20)
    ledger.enter(chunk)
    ledger.enter(queued)
    assert ledger.settled()
    chunk.begin()
    assert not ledger.settled()
    [future] = sends(1)
    chunk.acknowledge_after([future])
    assert not ledger.settled()
    future.set_result(None)
    assert ledger.settled()
    assert ledger.close() == {INPUT: 10}


def test_offsets_of_several_inputs_are_committed_together() -> None:
    """A chunk may hold records of some topics only; each keeps its last end."""
    other = TP("location_data", 3)
    ledger = Ledger()
    for ends in ({INPUT: 1, other: 7}, {INPUT: 2}):
        chunk = Chunk(3, list, ends, lambda _: None)
        ledger.enter(chunk)
        chunk.acknowledge_after([])
    assert ledger.close() == {INPUT: 2, other: 7}
