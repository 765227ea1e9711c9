"""The agent of every sink: takes chunks of anonymized transactions to one store."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import faust

from agents.refusals import Refusals
from sinks.delivery import Delivery, PutAside, Refused
from streaming.chunk import Chunk
from streaming.chunk_app import chunk_agent
from streaming.internals import producer_of
from streaming.outbox import Outbox


def connect(app: faust.App, inputs: faust.Topic, delivery: Delivery) -> None:
    """Let `app` run the agent `deliver` on `inputs`."""

    @chunk_agent(app, inputs, name="deliver")
    async def deliver(chunks: AsyncIterator[Chunk]) -> None:
        """Rows into the store, at least once; what it refuses, into the dead letters."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(delivery.run())
                async for chunk in chunks:
                    chunk.hurry = delivery.hurry
                    chunk.acknowledge_after([await delivery.take(chunk.events)])
        except ExceptionGroup as group:  # what ends one of several tasks comes in a group
            raise group.exceptions[0] from None


def dead_letters_of(app: faust.App, refusals: Refusals, store: str) -> PutAside:
    """What makes dead letters of records that `store` refused, and of those that cannot be read."""

    async def put_aside(refused: Sequence[Refused]) -> None:
        outbox = Outbox(producer_of(app))
        for (tp, record, _), error in refused:
            await refusals.send(outbox, tp, record, error, store=store)
        await asyncio.gather(*outbox.sends)

    return put_aside
