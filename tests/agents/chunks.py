"""Chunks for agents under test."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import ConsumerRecord
from faust.types import TP

from streaming.chunk import Chunk
from streaming.decoding import JsonDecoder, decode_events
from streaming.errors import OutputLostError
from tests.producer import FakeProducer


class FaustProducer:
    """Faust's producer, of which only the one inside is used."""

    def __init__(self, inner: FakeProducer) -> None:
        self._producer = inner


class WatchedChunk(Chunk):
    """A chunk that tells when the agent has handed over what follows from it, or what it waits for."""

    def __init__(
        self, partition: int, records: Sequence[ConsumerRecord], decoders: Mapping[str, JsonDecoder[Any]]
    ) -> None:
        self.losses: list[OutputLostError] = []
        self.handed_over = asyncio.Event()
        topics = list(decoders)
        tps = [TP(topic, partition) for topic in topics]
        ranked = [(topics.index(r.topic), r) for r in records]
        ends = {TP(r.topic, partition): r.offset + 1 for r in records}
        decode = partial(decode_events, ranked, tps, list(decoders.values()))
        super().__init__(partition, decode, ends, self.losses.append)

    def acknowledge_after(self, sends: Any) -> None:
        """As ever, and say so."""
        super().acknowledge_after(sends)
        self.handed_over.set()
