"""A chunk: what an agent takes at once, and the unit of acknowledgement."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
from faust.types import TP

from streaming.errors import OutputLostError, RecordError

Value = msgspec.Struct | RecordError


class Record(Protocol):
    """A record as it came from the broker; `timestamp` in milliseconds since the epoch."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def timestamp_type(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102


Ranked = tuple[int, Record]  # the rank of its topic among the inputs, and the record
Event = tuple[TP, Record, Any]  # where a record lies, the record, and its Value


class Chunk:
    """Records of one partition of the co-partitioned inputs, in record-timestamp order.

    Whoever takes a chunk calls `begin()`, reads `events`, then calls `acknowledge_after()` with every send
    that follows from them, once. Its offsets are committed when the broker has acknowledged all of them, and
    not before those of the chunks ahead of it. A send that fails ends the worker with nothing committed over.

    A partition that brings nothing hands out a chunk without events now and then, so that agents can do what
    is due; `silent_s` says for how long it has been silent. (Kafka Streams: punctuation by wall-clock time.)

    Decoded events are there in between only: what waits for its turn, or for a commit, is a tenth as large,
    and what is worked on lies in the processor's cache.
    """

    __slots__ = (
        "_decode",
        "_on_acknowledged",
        "_on_lost",
        "_pending",
        "acknowledged",
        "began_s",
        "ends",
        "events",
        "first_ms",
        "given_back",
        "hurry",
        "made_s",
        "partition",
        "silent_s",
    )

    def __init__(
        self,
        partition: int,
        decode: Callable[[], Sequence[Event]],
        ends: dict[TP, int],
        on_lost: Callable[[OutputLostError], None],
        *,
        silent_s: float = 0.0,
        first_ms: int | None = None,
        on_acknowledged: "Callable[[Chunk], None] | None" = None,
    ) -> None:
        self.partition = partition
        self.silent_s = silent_s
        self.events: Sequence[Event] = ()
        self.ends = ends
        self.first_ms = first_ms  # its oldest record's timestamp
        self.made_s = time.monotonic()
        self.began_s: float | None = None
        self.acknowledged = False
        self.given_back = False
        self.hurry: Callable[[], None] = _nothing
        self._decode: Callable[[], Sequence[Event]] | None = decode
        self._pending = 0
        self._on_lost = on_lost
        self._on_acknowledged = on_acknowledged

    @property
    def started(self) -> bool:
        """Whether an agent has begun it."""
        return self.began_s is not None

    def begin(self) -> None:
        """Decode, and say that work on it has begun: a rebalance then waits for its acknowledgement."""
        self.began_s = time.monotonic()
        if self._decode is not None:
            self.events, self._decode = self._decode(), None

    def acknowledge_after(self, sends: Iterable[Any]) -> None:
        """Acknowledge when the future of every send is done; at once where nothing follows."""
        self.events = ()
        futures = list(sends)
        self._pending = len(futures)
        if not futures:
            self._acknowledge()
        for future in futures:
            future.add_done_callback(self._on_sent)

    def give_back(self) -> None:
        """Leave the chunk to the partition's next owner."""
        self.given_back = True

    def _on_sent(self, future: Any) -> None:
        if future.cancelled() or future.exception() is not None:
            cause = "cancelled" if future.cancelled() else repr(future.exception())
            places = ", ".join(f"{tp.topic}[{tp.partition}] before {end}" for tp, end in self.ends.items())
            self._on_lost(OutputLostError(f"the broker did not take an output of {places}: {cause}"))
            return
        self._pending -= 1
        if not self._pending:
            self._acknowledge()

    def _acknowledge(self) -> None:
        self.acknowledged = True
        if self._on_acknowledged is not None:
            self._on_acknowledged(self)


class Ledger:
    """The chunks of one partition that were handed out, oldest first."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()

    def enter(self, chunk: Chunk) -> None:
        """Note a chunk that is about to be handed out."""
        self._chunks.append(chunk)

    def settled(self) -> bool:
        """Whether every chunk that an agent has begun is acknowledged, or given back."""
        return all(each.acknowledged or each.given_back or not each.started for each in self._chunks)

    def hurry(self) -> None:
        """Ask for what keeps begun chunks from being acknowledged."""
        for chunk in self._chunks:
            if chunk.started and not (chunk.acknowledged or chunk.given_back):
                chunk.hurry()

    def oldest(self, *, started: bool) -> Chunk | None:
        """The first chunk that an agent has begun and that is not acknowledged; or that none has begun."""
        waiting = (each for each in self._chunks if not (each.acknowledged or each.given_back))
        return next((each for each in waiting if each.started == started), None)

    def close(self) -> dict[TP, int]:
        """Strike out the acknowledged chunks at the front; return the offsets that may now be committed."""
        ends: dict[TP, int] = {}
        while self._chunks and self._chunks[0].acknowledged:
            ends |= self._chunks.popleft().ends
        return ends


def _nothing() -> None:
    """Nobody collects: the sends are on their way."""
