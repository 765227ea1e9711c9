"""The detector's agent: remembers where devices are and decides on transactions, in time order."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import faust
import msgspec

from agents.metrics import DEAD_LETTER, MISPLACED, REPEATED, Others, VerdictMetrics
from agents.refusals import Refusals
from detection.detector import Detector, Sitting
from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.cascade import Cascade, Stage
from streaming.chunk import Chunk, Record
from streaming.chunk_app import chunk_agent
from streaming.clock import clock_error, surely_not_ahead
from streaming.errors import RecordError
from streaming.internals import producer_of
from streaming.outbox import Outbox
from streaming.partitions import strays
from streaming.repartition import Repartitioner
from streaming.struct_table import StructTable
from tables.cases import CaseTable

Message = LocationFix | Transaction

TOO_LARGE = "too_large"
# What follows from a record is larger than it, and must fit the broker's 1 MiB.
_MAX_RECORD_BYTES = 256 * 1024

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Names of the topics that the detector writes; `repartition` by the type of the misplaced message."""

    decisions: str
    flagged: str
    repartition: dict[type[Message], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What the detector remembers: `states` of devices, as the rule of its profile needs them, and cases."""

    states: StructTable[Any]
    cases: CaseTable


def connect(
    app: faust.App,
    inputs: faust.Topic,
    outputs: Outputs,
    tables: Tables,
    detector: Detector[Any],
    *,
    refusals: Refusals,
    metrics: VerdictMetrics,
    max_clock_skew_s: float,
) -> None:
    """Let `app` run the agent `detect` on `inputs`."""
    states, cases = tables.states, tables.cases
    forwarded = frozenset(outputs.repartition.values())
    cascade, repartitioner = Cascade(), Repartitioner()
    metrics.watch_open(cases.open_counts)

    @chunk_agent(app, inputs, name="detect")
    async def detect(chunks: AsyncIterator[Chunk]) -> None:
        """Verdicts on transactions by what their devices reported; at least once."""
        async for chunk in chunks:
            outbox = Outbox(producer_of(app))
            partition = chunk.partition
            partitions = await outbox.partition_count(outputs.decisions)
            keys = {record.key for _, record, _ in chunk.events if record.key}
            known, decided = states.view(partition, keys), cases.view(partition, ())
            sitting = Sitting(detector, known, decided, cases.docket(partition), time.monotonic)
            # A device in the table was looked at before: hashing its key costs more than all the rest.
            elsewhere = strays(known.absent(keys), partition, partitions)
            others = Others()
            first_ms: list[int] = []
            in_time = surely_not_ahead(chunk.events, max_clock_skew_s)
            for tp, record, message in chunk.events:
                if error := _refusal(record, message, in_time, max_clock_skew_s):
                    others[tp.topic, DEAD_LETTER] += 1
                    await refusals.send(outbox, tp, record, error)
                elif (key := message.key) != record.key or key in elsewhere:
                    others[tp.topic, MISPLACED] += 1
                    topic = outputs.repartition[type(message)]
                    await repartitioner.forward(
                        outbox, tp, record, topic=topic, key=key, partition_count=partitions
                    )
                elif isinstance(message, LocationFix):
                    sitting.locate(key, message, record.timestamp)
                elif sitting.decide(key, message, record.timestamp, is_forwarded=tp.topic in forwarded):
                    first_ms.append(record.timestamp)
                else:
                    others[tp.topic, REPEATED] += 1
            sitting.close_due()
            sitting.close_after_silence(chunk.silent_s)
            outcomes = sitting.take()
            metrics.events.count(chunk.events, others)
            metrics.decide(outcomes)
            decisions = [(each.device, each.decision_json) for each in outcomes]
            alerts = [(each.device, _encode(each.alert)) for each in outcomes if each.alert is not None]
            await outbox.ship(outputs.decisions, partition, decisions)
            # Each behind the other: what is found of one after a crash is explained by those before it. State
            # comes last, so that what it knows has been told, and of it the cases come first: a track that
            # is ahead of a transaction would judge it by what came later.
            stages = (
                _stage(outputs.flagged, partition, alerts, partial(metrics.acknowledge, first_ms)),
                cases.put(partition, decided),
                states.put(partition, known),
            )
            cascade.acknowledge_after(chunk, producer_of(app), outbox.sends, stages)


def _stage(topic: str, partition: int, rows: list[tuple[bytes, bytes]], before: Callable[[], None]) -> Stage:
    """Send rows; `before` hears that the broker has all that comes before them."""

    async def send(outbox: Outbox) -> None:
        before()
        await outbox.ship(topic, partition, rows)

    return send


def _refusal(
    record: Record, value: Message | RecordError, in_time: datetime, max_skew_s: float
) -> RecordError | None:
    """Why a record is not processed; None where it is."""
    if isinstance(value, RecordError):
        return value
    length_bytes = len(record.value or b"")  # a message's key is in its value, too
    if length_bytes > _MAX_RECORD_BYTES:
        return RecordError(TOO_LARGE, f"{length_bytes} bytes; messages have at most {_MAX_RECORD_BYTES}")
    if value.event_time <= in_time:
        return None
    return clock_error(value.event_time_ns, record.timestamp, max_skew_s)
