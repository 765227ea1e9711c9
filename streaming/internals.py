"""Every private name of faust 0.15.3 and aiokafka 0.14.0 that streaming/ leans on.

Their versions are pinned for this reason; tests/unit/test_internals.py says which name a new version took.
"""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from faust import App
from faust.tables.recovery import Recovery
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP


class FetchWaitThread(AIOKafkaConsumerThread):
    """Faust's consumer thread with its fetch wait as a setting: Faust fixes it at 1.5 s."""

    fetch_wait_ms = 10

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.fetch_wait_ms
        return consumer


def producer_of(app: App) -> AIOKafkaProducer:
    """The aiokafka producer that Faust started: its batches and send futures are not to be had otherwise."""
    return app.producer._producer


def position(thread: AIOKafkaConsumerThread, tp: TP) -> int | None:
    """Offset of the next record that will be handed out; None while it is not known. Does not wait."""
    assignment = thread._consumer._subscription.subscription.assignment
    state = assignment.state_value(TopicPartition(*tp)) if assignment else None
    return state.position if state is not None and state.has_valid_position else None


def is_caught_up(thread: AIOKafkaConsumerThread, tp: TP) -> bool:
    """Whether all that the broker has told us of was handed out. Does not wait."""
    highwater = thread._consumer.highwater(TopicPartition(*tp))
    at = position(thread, tp)
    return highwater is not None and at is not None and at >= highwater


async def seek_to_beginning(thread: AIOKafkaConsumerThread, tps: Iterable[TP]) -> None:
    """Read on from the first record there is."""
    await thread.seek_to_beginning(*(TopicPartition(*tp) for tp in tps))


def active_partitions(consumer: Any) -> set[TP]:
    """The partitions that are assigned and not paused."""
    return set(consumer._get_active_partitions())


def signal_recovery_end(recovery: Recovery) -> None:
    """Tell Faust's recovery that every table is restored."""
    recovery.signal_recovery_end.set()


def forget_recovery_end(recovery: Recovery) -> None:
    """Take back the signal of an earlier recovery: Faust leaves it set for up to 5 s, and a recovery that
    begins meanwhile would end before it has read anything."""
    recovery.signal_recovery_end.clear()
