"""Sends of a chunk leave in order, and whoever waits for them sees their effect."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer

from streaming.outbox import Outbox
from tests.producer import FakeProducer, Metadata

TOPIC, PARTITION = "transaction_decisions", 2


@dataclass
class Sent:
    """An outbox over a fake producer, and the offsets that it reported."""

    producer: FakeProducer
    last_offsets: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = Outbox(cast("AIOKafkaProducer", self.producer))

    async def ship(self, count: int, size_bytes: int = 10) -> None:
        """Ship that many records of about that size."""
        await self.outbox.ship(TOPIC, PARTITION, rows(count, size_bytes), on_last=self.last_offsets.append)

    async def settle(self) -> Sequence[Any]:
        """Let the broker acknowledge everything; return how each send ended."""
        self.producer.acknowledge_all()
        return await asyncio.gather(*self.outbox.sends, return_exceptions=True)


def rows(count: int, size_bytes: int = 10) -> list[tuple[bytes, bytes | None]]:
    """Numbered rows."""
    return [(b"%d" % n, b"x" * size_bytes) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 66, 500])
async def test_records_leave_in_order_and_the_last_ones_offset_is_reported(count: int) -> None:
    """However many there are."""
    sent = Sent(FakeProducer(first_offset=100))
    await sent.ship(count)
    assert sent.last_offsets == [], "before the acknowledgement there is no offset"
    await sent.settle()
    assert sent.producer.log[TOPIC, PARTITION] == rows(count)
    assert sent.last_offsets == [100 + count - 1]


async def test_many_small_records_share_a_few_batches() -> None:
    """A batch is one future and one call, however many records are in it."""
    sent = Sent(FakeProducer(batch_bytes=1000))
    await sent.ship(200, size_bytes=10)
    assert len(sent.outbox.sends) < 10
    await sent.settle()
    assert sent.last_offsets == [199]


@pytest.mark.parametrize("large_at", [0, 1, 50, 98, 99])
async def test_a_record_larger_than_a_batch_goes_in_its_place(large_at: int) -> None:
    """First, somewhere, last: neither dropped nor out of order, and the offset stays right."""
    sent = Sent(FakeProducer(batch_bytes=1000, first_offset=7))
    records = rows(100)
    records[large_at] = (b"large", b"x" * 5000)
    await sent.outbox.ship(TOPIC, PARTITION, records, on_last=sent.last_offsets.append)
    await sent.settle()
    assert sent.producer.log[TOPIC, PARTITION] == records
    assert sent.last_offsets == [7 + 99]


async def test_chunks_share_a_batch_until_it_is_full() -> None:
    """Each knows the offset of its own last row."""
    sent = Sent(FakeProducer(first_offset=100))
    for count in (3, 4):
        await sent.ship(count)
    assert len({*sent.producer.futures}) == 1
    await sent.settle()
    assert sent.last_offsets == [102, 106]


async def test_who_has_many_batches_waiting_waits_until_one_is_sent() -> None:
    """Memory is bounded while a broker is slow, and not before."""
    sent = Sent(FakeProducer(batch_bytes=1000))
    shipping = asyncio.ensure_future(sent.ship(500, size_bytes=100))
    done, _ = await asyncio.wait([shipping], timeout=0.05)
    assert not done
    waiting = len(sent.producer.futures)
    while not shipping.done():
        sent.producer.send_first()
        await asyncio.sleep(0)
    await sent.settle()
    assert 1 < waiting < len(sent.producer.futures)
    assert sent.producer.log[TOPIC, PARTITION] == rows(500, size_bytes=100)
    assert sent.last_offsets == [499]


async def test_shipping_nothing_sends_nothing() -> None:
    """And there is no last record whose offset could be reported."""
    sent = Sent(FakeProducer())
    await sent.ship(0)
    assert sent.outbox.sends == []
    assert sent.last_offsets == []


async def test_who_waits_for_the_sends_sees_their_effect() -> None:
    """The store is settled before the chunk is acknowledged: a commit never runs ahead of it."""
    sent = Sent(FakeProducer())
    await sent.ship(3)
    seen: list[int] = []
    sent.outbox.sends[-1].add_done_callback(lambda _: seen.append(len(sent.last_offsets)))
    await sent.settle()
    assert seen == [1]


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("kind", ["refused", "cancelled"])
async def test_a_send_that_fails_fails_for_whoever_waits(count: int, kind: str) -> None:
    """The future that stands in its place must not end well, and no offset be reported."""
    sent = Sent(FakeProducer())
    await sent.ship(count)
    failed = sent.producer.futures[-1]
    if kind == "refused":
        failed.set_exception(RuntimeError("record too large"))
    else:
        failed.cancel()
    *_, last = await sent.settle()
    assert isinstance(last, RuntimeError if kind == "refused" else asyncio.CancelledError)
    assert sent.last_offsets == []


async def test_an_effect_that_fails_fails_the_send() -> None:
    """A disk that is full must stop the worker like a broker that refuses."""
    sent = Sent(FakeProducer())

    def full(_: int) -> None:
        raise OSError("no space left on device")

    await sent.outbox.ship(TOPIC, PARTITION, rows(2), on_last=full)
    *_, last = await sent.settle()
    assert isinstance(last, OSError)


async def test_a_single_record_keeps_its_headers_time_and_partition() -> None:
    """Dead letters and repartitioned records are more than key and value."""
    producer = FakeProducer()
    outbox = Outbox(cast("AIOKafkaProducer", producer))
    await outbox.send("t", b"k", None, partition=1, headers=(("a", b"b"),), timestamp_ms=5)
    assert producer.sent == [("t", 1, b"k", None, [("a", b"b")], 5)]
    producer.acknowledge_all()
    assert await outbox.sends[0] == Metadata(0)
