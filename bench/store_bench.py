"""What a store has to be, to be measured by bench/sinks.py."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from sinks.base import Row, Sink

T = TypeVar("T")

BATCH_ROWS = 1000


class StoreBench(Protocol):
    """A running store, empty whenever it is asked for a writer."""

    name: str
    remark: str
    """What a reader must know of it."""
    pid: int | None
    """Its process, which runs as long as it is measured; None where it has none."""

    async def sink(self) -> Sink:
        """Its sink; the store has its schema and no rows."""

    async def client(self, rows: Sequence[Row]) -> Callable[[], Awaitable[None]]:
        """What writes these rows, all made ready beforehand, in batches of 1,000; the store is the same."""


def batches(of: Sequence[T]) -> list[Sequence[T]]:
    """So many at a time."""
    return [of[start : start + BATCH_ROWS] for start in range(0, len(of), BATCH_ROWS)]
