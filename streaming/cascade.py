"""What follows from chunks, stage by stage: a stage goes out when the broker has all of the one before.

So whatever is found of a stage after a crash, the stages before it are there.
"""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from streaming.chunk import Chunk
from streaming.outbox import Outbox

Stage = Callable[[Outbox], Awaitable[None]]
"""Hands rows over to an outbox."""


class Cascade:
    """Sends the stages of a partition's chunks. Of each stage, chunks keep their order.

    The next chunk does not wait for the stages of the last one: only its stages do, for their turn.
    All calls for a partition have the same number of stages.
    """

    def __init__(self) -> None:
        self._turns: dict[tuple[int, int], Future[None]] = {}  # by partition and stage

    def acknowledge_after(
        self, chunk: Chunk, producer: AIOKafkaProducer, sends: Sequence[Future[Any]], stages: Sequence[Stage]
    ) -> None:
        """Send the stages behind `sends`, which are on their way; then the chunk is acknowledged."""
        chunk.acknowledge_after([self.send(chunk.partition, producer, sends, stages)])

    def send(
        self,
        partition: int,
        producer: AIOKafkaProducer,
        sends: Sequence[Future[Any]],
        stages: Sequence[Stage],
    ) -> Future[None]:
        """Send the stages behind `sends`; the future is done when the broker has the last one."""
        turns = []
        for number in range(len(stages)):
            taken = asyncio.get_running_loop().create_future()
            turns.append((self._turns.get((partition, number)), taken))
            self._turns[partition, number] = taken
        return asyncio.ensure_future(_send(producer, sends, stages, turns))


async def _send(
    producer: AIOKafkaProducer,
    sends: Sequence[Future[Any]],
    stages: Sequence[Stage],
    turns: Sequence[tuple[Future[None] | None, Future[None]]],
) -> None:
    """Whatever fails ends here: later chunks then wait for their turn until the worker has stopped."""
    await asyncio.gather(*sends)
    for send, (ahead, taken) in zip(stages, turns, strict=True):
        if ahead is not None:
            await ahead
        outbox = Outbox(producer)
        await send(outbox)
        taken.set_result(None)
        await asyncio.gather(*outbox.sends)
