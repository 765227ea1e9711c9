"""Putting chunks into a Faust App."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import faust

from streaming.chunk import Chunk
from streaming.consumer import ChunkOptions, ChunkTransport


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
    app.transport = ChunkTransport(app.conf.broker_consumer, app, options=options)
    return ChunkTopic(app, topics=tuple(options.inputs), schema=ChunkSchema())


async def chunks_of(stream: Any) -> AsyncIterator[Chunk]:
    """The chunks of an agent's stream, begun. Chunks acknowledge themselves, not Faust's way."""
    stream.enable_acks = False
    async for chunk in stream:
        chunk.begin()
        yield chunk
