"""The detector's agent: remembers where devices are and decides on transactions, in time order."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import faust
import msgspec
from faust.types import TP

from detection.decide import Decider
from models.dead_letter import DeadLetter
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.chunk import Chunk, Record
from streaming.chunk_app import chunk_agent
from streaming.clock import clock_error, surely_not_ahead
from streaming.errors import RecordError
from streaming.internals import producer_of
from streaming.outbox import Outbox
from streaming.partitions import strays
from streaming.repartition import repartition
from streaming.struct_table import StructTable

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
    dead_letters: str
    repartition: dict[type[Message], str]


def connect(
    app: faust.App,
    inputs: faust.Topic,
    outputs: Outputs,
    latest_locations: StructTable[LatestLocation],
    decider: Decider,
    *,
    max_clock_skew_s: float,
) -> None:
    """Let `app` run the agent `detect` on `inputs`."""

    @chunk_agent(app, inputs, name="detect")
    async def detect(chunks: AsyncIterator[Chunk]) -> None:
        """One decision a transaction, by the latest location of its device; at least once."""
        async for chunk in chunks:
            outbox = Outbox(producer_of(app))
            partitions = await outbox.partition_count(outputs.decisions)
            keys = {record.key for _, record, _ in chunk.events if record.key}
            latest = latest_locations.view(chunk, keys)
            # A device in the table was looked at before: hashing its key costs more than all the rest.
            elsewhere = strays(latest.absent(keys), chunk.partition, partitions)
            in_time = surely_not_ahead(chunk.events, max_clock_skew_s)
            decisions, flags = [], []
            for tp, record, message in chunk.events:
                if error := _refusal(record, message, in_time, max_clock_skew_s):
                    letter = _dead_letter(tp, record, error)
                    await outbox.send(outputs.dead_letters, letter.key, letter.value, headers=letter.headers)
                elif (key := message.key) != record.key or key in elsewhere:
                    topic = outputs.repartition[type(message)]
                    await repartition(outbox, tp, record, topic=topic, key=key, partition_count=partitions)
                elif isinstance(message, LocationFix):
                    latest[key] = message.latest
                else:
                    decision = decider.decide(message, latest.get(key))
                    decisions.append((key, _encode(decision)))
                    if flag := decider.flag(message, decision):
                        flags.append((key, _encode(flag)))
            await latest_locations.write(chunk, latest, outbox)
            await outbox.ship(outputs.decisions, chunk.partition, decisions)
            await outbox.ship(outputs.flagged, chunk.partition, flags)
            chunk.acknowledge_after(outbox.sends)


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


def _dead_letter(tp: TP, record: Record, error: RecordError) -> DeadLetter:
    return DeadLetter.of(
        reason_code=error.reason_code,
        reason=error.reason,
        topic=tp.topic,
        partition=tp.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
    )
