"""Finds a transaction on Kafka: reads topics as anyone may, joins no group, commits nothing."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta

import msgspec
from aiokafka import ConsumerRecord

from app.books.accounting import place_text
from app.broker_client import admin_client
from app.connection import Connection
from app.decoders import input_decoders
from app.explaining.finding import NEAR_S, DecisionLines, Finding, NearFixes, Refusal, SeenFix
from app.explaining.refusals import id_needles, is_about
from app.tailing import offsets_since, read_batches
from app.topic_admin import CREATE_COMMAND
from app.topic_state import offset_ranges, topic_states
from app.topics import Topics
from models.dead_letter import DeadLetter
from models.decision import Decision
from streaming.errors import ConfigError
from streaming.partitions import partition_of

Progress = Callable[[str, int, int], None]  # topic, records done, records in all


async def find_on_kafka(
    connection: Connection,
    topics: Topics,
    transaction_id: str,
    *,
    device_id: str | None,
    grace_period_s: float,
    max_clock_skew_s: float,
    progress: Progress = lambda *_: None,
) -> Finding | Refusal:
    """Read all decisions, or those of the device's partition; then the phone's reports near in time.

    Memory: some hundred records. Time: as long as it takes to read the decisions, hence `device_id`.
    Raises ConfigError where there is no decision on the transaction, RetryableError where the broker is away.
    """
    reader = await _Reader.of(connection, progress)
    key = None if device_id is None else device_id.encode()
    decisions = topics.transaction_decisions.name
    lines = DecisionLines(transaction_id, device_id)
    needle, _ = id_needles(transaction_id)
    async for record in reader.records(decisions, key):
        if needle in (record.value or b""):
            lines.take(_decision(record))
    history = lines.history()
    if not history:
        refusal = await _refusal(reader, topics, transaction_id)
        if refusal is not None:
            return refusal
        raise ConfigError(
            f"no decision on transaction {transaction_id!r} in {decisions} at {connection.bootstrap}: is the"
            " id right, and has a worker read it? `python -m app reconcile` says what is not yet read"
        )
    seen = await _near_fixes(reader, topics, history[0], grace_period_s, max_clock_skew_s)
    return Finding(history, seen)


class _Reader:
    """Records of topics whose partitions are known."""

    def __init__(
        self, connection: Connection, partition_counts: Mapping[str, int], progress: Progress
    ) -> None:
        self._connection = connection
        self._partition_counts = partition_counts
        self._progress = progress

    @classmethod
    async def of(cls, connection: Connection, progress: Progress) -> "_Reader":
        """Ask the broker for its topics."""
        async with admin_client(connection) as admin:
            states = await topic_states(admin)
        return cls(connection, {name: state.partitions for name, state in states.items()}, progress)

    async def records(
        self,
        topic: str,
        key: bytes | None = None,
        *,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> AsyncGenerator[ConsumerRecord, None]:
        """Yield what a topic holds: of the partition of `key` only, where one is given.

        From the first record with a timestamp of `since_ms` to before the first one with `until_ms`: where
        timestamps go back and forth, later ones of that time are missed.
        """
        if topic not in self._partition_counts:
            raise ConfigError(f"no topic {topic} at {self._connection.bootstrap}: run `{CREATE_COMMAND}`")
        count = self._partition_counts[topic]
        ranges = (await offset_ranges(self._connection, {topic: count}))[topic]
        if key is not None:
            partition = partition_of(key, count)
            ranges = {partition: ranges[partition]}
        starts = {p: each.begin_offset for p, each in ranges.items()}
        ends = {p: each.end_offset for p, each in ranges.items()}
        if since_ms is not None:
            starts = await offsets_since(self._connection, topic, since_ms, ends)
        if until_ms is not None:
            ends = await offsets_since(self._connection, topic, until_ms, ends)
        done, total = 0, sum(ends.values()) - sum(starts.values())
        async with aclosing(read_batches(self._connection, topic, starts, ends)) as batches:
            async for batch in batches:
                for record in batch:
                    yield record
                done += len(batch)
                self._progress(topic, done, total)


def _decision(record: ConsumerRecord) -> Decision:
    try:
        return msgspec.json.decode(record.value, type=Decision)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        place = place_text((record.topic, record.partition, record.offset))
        raise ConfigError(f"{place} is no decision as this version writes them") from e


async def _refusal(reader: _Reader, topics: Topics, transaction_id: str) -> Refusal | None:
    """The last dead letter that carries the transaction's id."""
    found = None
    sources = {topics.transaction_data.name, topics.transaction_repartition.name}
    async for record in reader.records(topics.dead_letters.name):
        try:
            letter = DeadLetter.from_record(record.key, record.value, record.headers)
        except (msgspec.ValidationError, UnicodeDecodeError):
            continue
        if letter.source_topic in sources and is_about(letter, transaction_id):
            place = place_text((letter.source_topic, letter.source_partition, letter.source_offset))
            found = Refusal(place, letter.reason_code, letter.reason)
    return found


async def _near_fixes(
    reader: _Reader, topics: Topics, decision: Decision, grace_period_s: float, max_clock_skew_s: float
) -> tuple[SeenFix, ...]:
    """Reports of the device near the transaction that came while they could count, and a while after.

    By record timestamp: what was sent under timestamps of another day is not found.
    """
    key, moment = decision.device_id.encode(), decision.transaction_time
    since = moment - timedelta(seconds=NEAR_S + max_clock_skew_s)
    until = moment + timedelta(seconds=NEAR_S + max_clock_skew_s + grace_period_s)
    decoder = input_decoders(topics)[topics.location_data.name]
    near = NearFixes(decision.device_id, moment, decoder, max_clock_skew_s)
    for topic in (topics.location_data.name, topics.location_repartition.name):
        async for record in reader.records(topic, key, since_ms=_ms(since), until_ms=_ms(until)):
            if record.key == key:
                near.take(record.value or b"", record.timestamp)
    return near.fixes()


def _ms(moment: datetime) -> int:
    return max(int(moment.timestamp() * 1000), 0)  # Kafka knows no time before 1970
