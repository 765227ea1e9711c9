"""Where a consumer stands, from what it holds."""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from prometheus_client import CollectorRegistry

from streaming.chunk import Chunk, Ledger
from streaming.errors import OutputLostError
from streaming.lookout import Lookout
from streaming.merge import PartitionGroup
from streaming.metrics import ChunkMetrics
from tests.messages import record

PLACE = TP("locations", 0)
OTHER = TP("transactions", 0)


class Consumer:
    """Two inputs of one partition; `answers` decides whether the broker does."""

    def __init__(self) -> None:
        self.app: Any = SimpleNamespace(
            rebalancing=False,
            rebalancing_count=1,
            tables=type("Tables", (dict,), {"recovery": SimpleNamespace(in_recovery=False)})(),
        )
        self.committed: dict[TP, int] = {PLACE: 10, OTHER: 5}
        self.ends: dict[TP, int] = {PLACE: 10, OTHER: 5}
        self.fetched: dict[TP, int] = dict(self.ends)
        self.answers = True

    def input_partitions(self) -> set[TP]:
        """Both."""
        return {PLACE, OTHER}

    def known_end(self, tp: TP) -> int | None:
        """As the last fetch had it."""
        return self.fetched[tp]

    def is_caught_up(self, tp: TP) -> bool:
        """Whether there is nothing behind the last fetch."""
        return self.fetched[tp] == self.ends[tp]

    def committed_offset(self, tp: TP) -> int | None:
        """As the group has it."""
        return self.committed[tp]

    async def end_offsets(self, *tps: TP) -> Mapping[TP, int]:
        """The ends, or no answer."""
        if not self.answers:
            await asyncio.Event().wait()
        return {tp: self.ends[tp] for tp in tps}


class Scene:
    """A lookout on that consumer."""

    def __init__(self) -> None:
        self.consumer = Consumer()
        self.groups: dict[int, PartitionGroup] = {0: PartitionGroup(2)}
        self.ledgers: dict[int, Ledger] = {0: Ledger()}
        self.losses: list[OutputLostError] = []
        self.registry = CollectorRegistry()
        metrics = ChunkMetrics(self.registry, "some")
        self.lookout = Lookout(self.consumer, self.groups, self.ledgers, metrics)

    def chunk(self, first_ms: int) -> Chunk:
        """A chunk that is handed out."""
        on_acknowledged: Callable[[Chunk], None] = self.lookout.acknowledge
        chunk = Chunk(
            0, tuple, {PLACE: 11}, self.losses.append, first_ms=first_ms, on_acknowledged=on_acknowledged
        )
        self.ledgers[0].enter(chunk)
        return chunk

    def shown(self, name: str, tp: TP | None = PLACE) -> float | None:
        """What the metric shows."""
        topic = {} if tp is None else {"topic": tp.topic}
        return self.registry.get_sample_value(f"some_{name}", {**topic, "partition": "0"})


@pytest.fixture
def scene() -> Scene:
    """A consumer that has read everything."""
    return Scene()


def test_without_a_lag_it_is_nothing_in_seconds_too(scene: Scene) -> None:
    """However long ago the last record came."""
    assert scene.shown("consumer_lag_records") == scene.shown("consumer_lag_seconds") == 0
    assert scene.shown("watermark_delay_seconds", None) is None, "nothing has come yet"


def test_the_oldest_record_that_is_not_acknowledged_is_the_lag(scene: Scene) -> None:
    """Buffered, handed out, or worked on; of the topic that has a lag."""
    now_ms = int(time.time() * 1000)
    scene.consumer.fetched[PLACE] = scene.consumer.ends[PLACE] = 14
    scene.groups[0].push(0, [record(timestamp_ms=now_ms - 5_000)])
    assert scene.shown("consumer_lag_records") == 4
    assert scene.shown("consumer_lag_seconds") == pytest.approx(5, abs=2)
    chunk = scene.chunk(now_ms - 60_000)
    assert scene.shown("consumer_lag_seconds") == pytest.approx(60, abs=2)
    chunk.begin()
    assert scene.shown("consumer_lag_seconds") == pytest.approx(60, abs=2)
    chunk.acknowledge_after(())
    assert scene.shown("consumer_lag_seconds") == pytest.approx(5, abs=2)
    assert scene.shown("consumer_lag_seconds", OTHER) == 0


def test_a_lag_of_which_nothing_is_here_has_no_age(scene: Scene) -> None:
    """While tables are restored, say."""
    scene.consumer.ends[PLACE] = 500
    asyncio.run(scene.lookout.ask_broker(1.0))
    assert scene.shown("consumer_lag_records") == 490
    assert scene.shown("consumer_lag_seconds") is None


def test_what_is_done_and_not_committed_is_no_age(scene: Scene) -> None:
    """A commit interval's worth."""
    scene.consumer.committed[PLACE] = 7
    assert scene.shown("consumer_lag_records") == 3
    assert scene.shown("consumer_lag_seconds") == 0


def test_the_watermark_does_not_go_back(scene: Scene) -> None:
    """A record that comes late moves nothing."""
    now_ms = int(time.time() * 1000)
    for each_ms in (now_ms - 20_000, now_ms - 90_000):
        scene.lookout.hand_out(0, each_ms)
    assert scene.shown("watermark_delay_seconds", None) == pytest.approx(20, abs=2)


def test_chunks_are_timed_from_their_beginning_those_without_events_are_none(scene: Scene) -> None:
    """A silent partition hands out one a second."""
    chunk = scene.chunk(0)
    chunk.begin()
    chunk.acknowledge_after(())
    silent = Chunk(0, tuple, {}, scene.losses.append, silent_s=1.0, on_acknowledged=scene.lookout.acknowledge)
    silent.begin()
    silent.acknowledge_after(())
    assert scene.registry.get_sample_value("some_chunk_seconds_count") == 1


async def test_a_silent_broker_is_noticed_and_so_is_its_return(scene: Scene) -> None:
    """Since it was asked first; a rebalance, in which nobody asks, ends the wait."""
    assert scene.lookout.vitals().unanswered_s is None
    scene.consumer.answers = False
    await scene.lookout.ask_broker(0.01)
    first_s = scene.lookout.vitals().unanswered_s
    await scene.lookout.ask_broker(0.01)
    second_s = scene.lookout.vitals().unanswered_s
    assert first_s is not None
    assert second_s is not None
    assert second_s > first_s > 0
    scene.consumer.answers = True
    await scene.lookout.ask_broker(0.01)
    assert scene.lookout.vitals().unanswered_s is None
    scene.consumer.answers = False
    await scene.lookout.ask_broker(0.01)
    scene.consumer.app.rebalancing = True
    await scene.lookout.ask_broker(0.01)
    assert scene.lookout.vitals().unanswered_s is None


def test_what_an_agent_leaves_and_what_it_holds_are_told_apart(scene: Scene) -> None:
    """The oldest of each."""
    assert scene.lookout.vitals().unbegun_s is scene.lookout.vitals().unacknowledged_s is None
    begun, waiting = scene.chunk(0), scene.chunk(0)
    begun.made_s -= 10
    begun.begin()
    vitals = scene.lookout.vitals()
    assert vitals.unacknowledged_s is not None
    assert vitals.unacknowledged_s < 5
    waiting.made_s -= 20
    assert scene.lookout.vitals().unbegun_s == pytest.approx(20, abs=5)
    begun.give_back()
    assert scene.lookout.vitals().unacknowledged_s is None


def test_a_poll_is_timed_while_it_is_under_way(scene: Scene) -> None:
    """And not behind it."""
    with scene.lookout.polling():
        assert scene.lookout.vitals().polling_s is not None
    assert scene.lookout.vitals().polling_s is None
