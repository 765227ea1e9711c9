"""Sends that follow from a chunk, and the futures that tell when the broker has them."""

from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

Headers = Sequence[tuple[str, bytes]]

_FEW = (
    64  # so many join the producer's own batch and share a request; for more, batches of our own are cheaper
)


class Outbox:
    """Sends of one chunk. `sends` holds a future for every record or batch that is on its way.

    Records of one topic and partition keep their order. aiokafka sends one batch of a partition at a time.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.sends: list[Future[Any]] = []

    async def partition_count(self, topic: str) -> int:
        """How many partitions a topic has that we write to."""
        return len(await self._producer.partitions_for(topic))

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Hand one record over. It waits only where the producer's memory is full."""
        self.sends.append(
            await self._producer.send(
                topic, value, key=key, partition=partition, headers=list(headers), timestamp_ms=timestamp_ms
            )
        )

    async def ship(
        self,
        topic: str,
        partition: int,
        records: Sequence[tuple[bytes, bytes | None]],
        on_last: Callable[[int], None] | None = None,
    ) -> None:
        """Hand many records over to one partition, in order; `on_last` gets the last one's offset."""
        if not records:
            return
        if len(records) <= _FEW:
            for key, value in records:
                await self.send(topic, key, value, partition=partition)
            last_index = 0
        else:
            last_index = await self._ship_batches(topic, partition, records)
        if on_last is not None:
            self._replace_last(lambda metadata: on_last(metadata.offset + last_index))

    async def _ship_batches(
        self, topic: str, partition: int, records: Sequence[tuple[bytes, bytes | None]]
    ) -> int:
        """Fill batches of our own; return the index of the last record in the last batch."""
        batch = self._producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None) is None:  # full
                await self._ship_batch(topic, partition, batch)
                batch = self._producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)  # an empty one takes a record of any size
        await self._ship_batch(topic, partition, batch)
        return int(batch.record_count()) - 1

    async def _ship_batch(self, topic: str, partition: int, batch: Any) -> None:
        batch.close()
        self.sends.append(await self._producer.send_batch(batch, topic, partition=partition))

    def _replace_last(self, on_metadata: Callable[[Any], None]) -> None:
        """Let the last send's future end after `on_metadata`: whoever waits for it sees its effect."""
        last = self.sends[-1]
        effect: Future[None] = last.get_loop().create_future()

        def forward(sent: Future[Any]) -> None:
            if sent.cancelled():
                effect.cancel()
            elif error := sent.exception():
                effect.set_exception(error)
            else:
                try:
                    on_metadata(sent.result())
                except Exception as failure:  # noqa: BLE001 (it must reach whoever waits)
                    effect.set_exception(failure)
                else:
                    effect.set_result(None)

        last.add_done_callback(forward)
        self.sends[-1] = effect
