"""Putting chunks into a Faust App."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import faust

from streaming.chunk import Chunk
from streaming.consumer import ChunkOptions, ChunkTransport
from streaming.metrics import ChunkSensor

TakeChunks = Callable[[AsyncIterator[Chunk]], Awaitable[None]]


class ChunkSchema(faust.Schema):  # type: ignore[misc]
    """Takes chunks to agents as they are: their records are decoded already."""

    def __init__(self) -> None:
        super().__init__(key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    def compile(self, app: faust.App, **_: Any) -> Callable[..., Any]:
        """Make the function that Faust's conductor turns a message into an event with."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 (Faust's signature)
            return app.create_event(None, message.value, (), message)

        return decode


class ChunkTopic(faust.Topic):  # type: ignore[misc]
    """Several topics that one agent reads together. Read only: a send would not know where to."""

    def get_topic_name(self) -> str:
        """All names, for `faust agents` and logs."""
        return "+".join(self.topics)


def read_in_chunks(app: faust.App, options: ChunkOptions) -> faust.Topic:
    """Let `app` read the inputs of `options` in chunks; return what its agent subscribes to."""
    app.sensors.add(ChunkSensor(options.metrics))
    app.transport = ChunkTransport(app.conf.broker_consumer, app, options=options)
    return ChunkTopic(app, topics=tuple(options.inputs), schema=ChunkSchema())


def chunk_agent(app: faust.App, inputs: faust.Topic, *, name: str) -> Callable[[TakeChunks], Any]:
    """Make an async function over chunks an agent of `app`.

    What the function raises ends the worker with status 1: the chunk that it was at would otherwise never
    be acknowledged, and its partition never committed again, while Faust went on with the next.
    """

    def decorate(take: TakeChunks) -> Any:
        async def run(stream: Any) -> None:
            try:
                await take(_chunks_of(stream))
            except Exception as error:
                await app.crash(error)
                raise

        run.__doc__ = take.__doc__
        return app.agent(inputs, name=name)(run)

    return decorate


async def _chunks_of(stream: Any) -> AsyncIterator[Chunk]:
    """The chunks of an agent's stream, begun. Chunks acknowledge themselves, not Faust's way."""
    stream.enable_acks = False
    async for chunk in stream:
        chunk.begin()
        yield chunk
