"""The publisher's agent: what was decided and reported goes into sketches, final decisions to analysts."""

import asyncio
import time
from asyncio import Future
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import faust

from agents.anonymize import AnonymityMetrics, Anonymizing, Departure, Leaving
from agents.metrics import DEAD_LETTER, REPEATED, SKIPPED, EventMetrics, Others
from agents.refusals import Refusals
from agents.sketch import Desks, SketchMetrics
from models.location_fix import LocationFix
from privacy.anonymity.anonymizer import Anonymizer
from privacy.tokens import TokenizeAt
from sketches.desk import Desk, Message
from sketches.facts import DecisionFact
from streaming.cascade import Cascade
from streaming.chunk import Chunk
from streaming.chunk_app import chunk_agent
from streaming.errors import RecordError
from streaming.internals import producer_of
from streaming.outbox import Outbox
from streaming.partitions import strays
from streaming.stores import PartitionStore
from tables.groups import GroupTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names of the topics that the agent reads besides locations."""

    decisions: str
    alerts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymity:
    """How rows are made: an anonymizer for each partition, and tokens by a transaction's id and time."""

    make: Callable[[], Anonymizer]
    row_token_of: TokenizeAt


class Publications:
    """The anonymizers of the partitions that this worker owns, and what of them is on its way."""

    def __init__(
        self,
        app: faust.App,
        table: GroupTable,
        anonymity: Anonymity,
        *,
        topic: str,
        committed_offset_of: Callable[[int], int | None],
        metrics: AnonymityMetrics,
    ) -> None:
        self._app = app
        self._table = table
        self._anonymity = anonymity
        self._topic = topic
        self._committed_offset_of = committed_offset_of
        self._metrics = metrics
        self._cascade = Cascade()
        self._of: WeakKeyDictionary[PartitionStore, Anonymizing] = WeakKeyDictionary()
        self._under_way: Counter[int] = Counter()

    async def take(self, partition: int, finals: Sequence[DecisionFact]) -> Future[None] | None:
        """Let final decisions wait for company; return what is done when the broker has them all as rows.

        Publishes what leaves because of them, and what has waited for the time limit.
        """
        anonymizing, now_ms = self._anonymizing(partition), time.time_ns() // 1_000_000
        done: Future[None] | None = None
        if finals:
            done = asyncio.get_running_loop().create_future()
            await self._send(partition, anonymizing.take(finals, Departure(done, len(finals)), now_ms))
        await self._send(partition, anonymizing.close_due(now_ms))
        return done

    def forget(self, partition: int) -> bool:
        """Forget what waits, for it is read again; return False while something is on its way."""
        if self._under_way[partition]:
            return False
        self._of.pop(self._table.data.partition(partition), None)
        return True

    def _anonymizing(self, partition: int) -> Anonymizing:
        store: PartitionStore = self._table.data.partition(partition)
        anonymizing = self._of.get(store)
        if anonymizing is None:
            anonymity = self._anonymity
            anonymizing = self._of[store] = Anonymizing(
                partition, self._table, anonymity.make(), anonymity.row_token_of, self._metrics
            )
        return anonymizing

    async def _send(self, partition: int, leaving: Leaving) -> None:
        if not leaving.departures:
            return
        producer = producer_of(self._app)
        partition_count = len(await producer.partitions_for(self._topic))
        forgotten = self._anonymizing(partition).forgotten(self._committed_offset_of(partition) or 0)
        stages = leaving.stages(self._table, partition, self._topic, partition_count, forgotten)
        self._under_way[partition] += 1
        sent = self._cascade.send(partition, producer, (), stages)
        sent.add_done_callback(partial(self._on_sent, partition, leaving))

    def _on_sent(self, partition: int, leaving: Leaving, sent: Future[Any]) -> None:
        self._under_way[partition] -= 1
        if sent.cancelled() or sent.exception() is not None:
            leaving.fail(sent)
        else:
            leaving.left()


def connect(
    app: faust.App,
    inputs: faust.Topic,
    names: Names,
    desks: Desks,
    publications: Publications,
    *,
    refusals: Refusals,
    events: EventMetrics,
    metrics: SketchMetrics,
) -> None:
    """Let `app` run the agent `publish` on `inputs`."""

    @chunk_agent(app, inputs, name="publish")
    async def publish(chunks: AsyncIterator[Chunk]) -> None:
        """Sketches of decisions, alerts and locations, exact after a crash; rows for analysts."""
        async for chunk in chunks:
            outbox = Outbox(producer_of(app))
            desk = desks.of(chunk.partition)
            messages: dict[str, list[Message]] = {}
            others = Others()
            for tp, record, value in chunk.events:
                if isinstance(value, RecordError):
                    if tp.topic in {names.decisions, names.alerts}:
                        others[tp.topic, DEAD_LETTER] += 1
                        await refusals.send(outbox, tp, record, value)
                    else:  # the detector has written one
                        others[tp.topic, SKIPPED] += 1
                elif isinstance(value, LocationFix) and value.key != record.key:
                    others[tp.topic, SKIPPED] += 1
                else:
                    message = Message(record.offset, max(record.timestamp, 0), value)
                    messages.setdefault(tp.topic, []).append(message)
            finals: list[DecisionFact] = []
            partitions = await outbox.partition_count(names.decisions)
            for topic in filter(messages.__contains__, inputs.topics):  # locations first
                of_topic = messages[topic]
                if topic == names.decisions:
                    facts = desk.take_decisions(topic, of_topic)
                    others[topic, REPEATED] += len(of_topic) - len(facts)
                    finals = [fact for fact in facts if fact.is_final]
                elif topic == names.alerts:
                    others[topic, REPEATED] += len(of_topic) - len(desk.take_alerts(topic, of_topic))
                else:
                    at_home = _in_place(desk, of_topic, chunk.partition, partitions)
                    others[topic, SKIPPED] += len(of_topic) - len(at_home)
                    metrics.count_readings(desk.take_locations(topic, at_home))
            events.count(chunk.events, others)
            departure = await publications.take(chunk.partition, finals)
            snapshot = desks.next_snapshot(chunk)
            chunk.hurry = partial(_hurry, chunk, snapshot, desks, publications)
            waits_for = [each for each in (departure, snapshot) if each is not None]
            chunk.acknowledge_after([*outbox.sends, *waits_for])


def _hurry(chunk: Chunk, snapshot: Future[None] | None, desks: Desks, publications: Publications) -> None:
    """Write the snapshot; give the chunk back when only company is lacking: it is read again."""
    desks.write(chunk.partition)
    if (snapshot is None or snapshot.done()) and publications.forget(chunk.partition):
        chunk.give_back()


def _in_place(desk: Desk, messages: list[Message], partition: int, partitions: int) -> list[Message]:
    """The locations that lie in their device's partition; others come again through a repartition topic."""
    unknown = desk.notebooks.devices.absent({message.value.key for message in messages})
    elsewhere = strays(unknown, partition, partitions)
    if not elsewhere:
        return messages
    return [message for message in messages if message.value.key not in elsewhere]
