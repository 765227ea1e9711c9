"""Sends that follow from a chunk, and the futures that tell when the broker has them."""

from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from streaming.internals import append_rows

Headers = Sequence[tuple[str, bytes]]


class Outbox:
    """Sends of one chunk. `sends` holds a future for every record or batch that is on its way.

    Records of one topic and partition keep their order; they share batches with those of other chunks.
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
        batches = await append_rows(self._producer, topic, partition, records)
        self.sends += [sent for sent, _ in batches]
        if batches and on_last is not None:
            _, last_place = batches[-1]
            self._replace_last(lambda metadata: on_last(metadata.offset + last_place))

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
