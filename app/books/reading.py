"""Reading the books (accounting.py) from the topics, in an order that a running worker cannot upset."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from aiokafka import ConsumerRecord

from app.books.accounting import Books, InputRange, Outputs, Report
from app.broker_client import admin_client
from app.connection import Connection
from app.decoders import input_decoders
from app.tailing import read_batches
from app.topic_admin import CREATE_COMMAND
from app.topic_state import OffsetRange, committed_offsets, offset_ranges, topic_states
from app.topics import Topics
from models.decision import Stage
from models.judgement import Verdict
from streaming.errors import ConfigError
from tables.tracks import PageLayout

Progress = Callable[[str, int, int], None]  # topic, records done, records in all
Ranges = Mapping[int, OffsetRange]
Take = Callable[[ConsumerRecord], None]


class _Decided(msgspec.Struct, gc=False):
    """What the books need of a decision."""

    transaction_id: str
    verdict: Verdict
    stage: Stage
    revision: int


class _Alert(msgspec.Struct, gc=False):
    transaction_id: str


async def reconcile(
    connection: Connection, topics: Topics, *, group_id: str, progress: Progress = lambda *_: None
) -> Report:
    """Prove from the topics that the group has accounted for all that it read.

    A worker may run meanwhile: the committed offsets are read first, then the outputs, then the inputs.
    So all that follows from a record before a committed offset is seen, and an output that is newer than
    the commits still finds its input. Memory: ids and places only.
    Raises ConfigError where a topic is missing, RetryableError where the broker is away.
    """
    partition_counts = await _partition_counts(connection, topics)
    names = [topic.name for topic in topics.detector_inputs]
    committed = await committed_offsets(connection, group_id, names)
    outputs = await _read_outputs(connection, topics, partition_counts, progress)

    ranges = await offset_ranges(connection, {name: partition_counts[name] for name in names})
    books = Books(
        outputs,
        {
            (name, p): InputRange(
                begin_offset=each.begin_offset,
                end_offset=each.end_offset,
                committed_offset=committed.get((name, p)),
            )
            for name in names
            for p, each in ranges[name].items()
        },
        group_id=group_id,
        transaction_topic=topics.transaction_data.name,
    )
    for name, decoder in input_decoders(topics).items():
        async for batch in _batches(connection, name, ranges[name], progress):
            messages = decoder.decode_many([record.value for record in batch])
            for record, message in zip(batch, messages, strict=True):
                books.enter((name, record.partition, record.offset), message)
    return books.close()


async def _partition_counts(connection: Connection, topics: Topics) -> dict[str, int]:
    async with admin_client(connection) as admin:
        states = await topic_states(admin)
    if absent := [topic.name for topic in topics.detector.all if topic.name not in states]:
        raise ConfigError(
            f"there is nothing to reconcile without {', '.join(absent)}: run `{CREATE_COMMAND}`"
        )
    return {topic.name: states[topic.name].partitions for topic in topics.detector.all}


async def _read_outputs(
    connection: Connection, topics: Topics, partition_counts: Mapping[str, int], progress: Progress
) -> Outputs:
    outputs = Outputs()
    takers = {
        topics.transaction_decisions.name: _take_decisions(outputs),
        topics.potential_fraud.name: _take_alerts(outputs),
        topics.dead_letters.name: _take_origins(outputs, outputs.dead_letters),
        topics.latest_locations_changelog.name: _take_rows(outputs, bytes),
        topics.tracks_changelog.name: _take_rows(outputs, PageLayout().store_key),
        topics.location_repartition.name: _take_origins(outputs, outputs.forwarded),
        topics.transaction_repartition.name: _take_origins(outputs, outputs.forwarded),
    }
    inputs = {topic.name for topic in topics.detector_inputs}
    compacted = {topic.name for topic in topics.all if topic.compacted}
    for name, take in takers.items():
        ranges = (await offset_ranges(connection, {name: partition_counts[name]}))[name]
        expired = sum(each.begin_offset for each in ranges.values())
        if expired and name not in inputs and name not in compacted:
            outputs.expired[name] = expired
        async for batch in _batches(connection, name, ranges, progress):
            for record in batch:
                take(record)
    return outputs


def _take_decisions(outputs: Outputs) -> Take:
    decode = msgspec.json.Decoder(_Decided).decode

    def take(record: ConsumerRecord) -> None:
        decided = _read(decode, record, outputs)
        if decided is not None:
            outputs.add_decision(
                decided.transaction_id,
                decided.verdict,
                revision=decided.revision,
                is_final=decided.stage == "final",
            )

    return take


def _take_alerts(outputs: Outputs) -> Take:
    decode = msgspec.json.Decoder(_Alert).decode

    def take(record: ConsumerRecord) -> None:
        alert = _read(decode, record, outputs)
        if alert is not None:
            outputs.alerted.add(alert.transaction_id)

    return take


def _take_rows(outputs: Outputs, device_of: Callable[[bytes], bytes]) -> Take:
    def take(record: ConsumerRecord) -> None:
        if record.value is None:
            outputs.located.discard(device_of(record.key))
        else:
            outputs.located.add(device_of(record.key))

    return take


def _take_origins(outputs: Outputs, places: set[tuple[str, int, int]]) -> Take:
    def take(record: ConsumerRecord) -> None:
        origin = {name: value for name, value in record.headers if name.startswith("source_")}
        if not origin:
            return  # written there by hand: an input that stands for itself
        try:
            topic = origin["source_topic"].decode()
            places.add((topic, int(origin["source_partition"]), int(origin["source_offset"])))
        except (KeyError, ValueError):
            outputs.unreadable.append((record.topic, record.partition, record.offset))

    return take


def _read(decode: Callable[[bytes], Any], record: ConsumerRecord, outputs: Outputs) -> Any:
    """Decode a record's value; None, and a line in the books, where it is not what belongs there."""
    try:
        return decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        outputs.unreadable.append((record.topic, record.partition, record.offset))
        return None


async def _batches(
    connection: Connection, topic: str, ranges: Ranges, progress: Progress
) -> AsyncGenerator[list[ConsumerRecord], None]:
    """All records of the ranges. `progress` counts offsets, some of which compaction has emptied."""
    starts = {p: each.begin_offset for p, each in ranges.items()}
    ends = {p: each.end_offset for p, each in ranges.items()}
    records_total = sum(ends.values()) - sum(starts.values())
    done = 0
    async with aclosing(read_batches(connection, topic, starts, ends)) as batches:
        async for batch in batches:
            yield batch
            done += len(batch)
            progress(topic, done, records_total)
    progress(topic, records_total, records_total)
