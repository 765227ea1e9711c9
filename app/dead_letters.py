"""Dead letters of the public zone: rows that a store refused. Found, sent again, or given up.

Kafka deletes no single record. What was done with a dead letter is therefore one more record on dead_letters,
a note: it names the same place and store, has no row, and its reason code says what was done.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from app.broker_client import REQUEST_TIMEOUT_S, explained
from app.connection import Connection
from app.record_view import dead_letter_view
from app.tailing import read_topic
from app.topics import Topics
from models.dead_letter import DeadLetter
from streaming.errors import ConfigError
from streaming.internals import abandon_producer

Outcome = Literal["retried", "discarded"]
_OUTCOMES = {"retried", "discarded"}

_Identity = tuple[str, int, int]  # store, and partition and offset of the row


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A dead letter, where it lies on dead_letters, and what was done with it ("": nothing yet)."""

    partition: int
    offset: int
    letter: DeadLetter
    outcome: str

    @property
    def id(self) -> str:
        """As the commands take it."""
        return f"{self.partition}:{self.offset}"

    @property
    def view(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        return {"id": self.id, "outcome": self.outcome, **dead_letter_view(self.letter)}


async def refused_rows(connection: Connection, topics: Topics) -> list[Refused]:
    """All dead letters of anonymized_transactions, oldest first: those of other topics are restricted."""
    letters: list[tuple[ConsumerRecord, DeadLetter]] = []
    outcomes: dict[_Identity, str] = {}
    reading = read_topic(connection, topics.dead_letters.name, from_beginning=True, until_end=True)
    async with aclosing(reading) as records:
        async for record in records:
            try:
                letter = DeadLetter.from_record(record.key, record.value, record.headers)
            except (msgspec.ValidationError, UnicodeDecodeError):
                continue  # written there by hand
            if letter.source_topic != topics.anonymized_transactions.name:
                continue
            if letter.reason_code in _OUTCOMES:
                outcomes[_identity(letter)] = letter.reason_code
            else:
                letters.append((record, letter))
    return [
        Refused(
            partition=record.partition,
            offset=record.offset,
            letter=letter,
            outcome=outcomes.get(_identity(letter), ""),
        )
        for record, letter in sorted(letters, key=lambda each: each[0].timestamp)
    ]


def chosen(rows: Sequence[Refused], ids: Sequence[str]) -> list[Refused]:
    """The rows with these ids. Raises ConfigError for one that there is not."""
    by_id = {row.id: row for row in rows}
    if unknown := [each for each in ids if each not in by_id]:
        raise ConfigError(
            f"no dead letter of a row is called {', '.join(unknown)}; `dead-letters list` shows their ids"
        )
    return [by_id[each] for each in ids]


async def retry(connection: Connection, topics: Topics, rows: Sequence[Refused]) -> None:
    """Send the rows again as they came, under their keys, to every store; then note it.

    A crash between the two repeats a row, which is harmless. One that is refused again becomes another dead
    letter. Raises ConfigError, before anything is sent, for a row of which a part was cut off.
    """
    if cut := [row.id for row in rows if not _is_whole(row.letter)]:
        raise ConfigError(
            f"{', '.join(cut)}: too long to be kept whole, so it cannot be sent again; discard it"
        )
    async with _producer(connection) as producer:
        for row in rows:
            await producer.send_and_wait(
                topics.anonymized_transactions.name, key=row.letter.key, value=row.letter.value
            )
            await _note(producer, topics, row.letter, "retried", "sent to its topic again")


async def discard(connection: Connection, topics: Topics, rows: Sequence[Refused], reason: str) -> None:
    """Note that the rows are given up. They stay where they are until their retention is over."""
    async with _producer(connection) as producer:
        for row in rows:
            await _note(producer, topics, row.letter, "discarded", reason)


async def _note(
    producer: AIOKafkaProducer, topics: Topics, letter: DeadLetter, outcome: Outcome, reason: str
) -> None:
    note = msgspec.structs.replace(letter, reason_code=outcome, reason=reason, value=None)
    await producer.send_and_wait(topics.dead_letters.name, key=note.key, headers=note.headers)


@asynccontextmanager
async def _producer(connection: Connection) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **connection.client_options, acks="all", request_timeout_ms=int(REQUEST_TIMEOUT_S * 1000)
    )
    with explained(connection):
        try:
            await producer.start()
            yield producer
        finally:
            await abandon_producer(producer)


def _identity(letter: DeadLetter) -> _Identity:
    return letter.store, letter.source_partition, letter.source_offset


def _is_whole(letter: DeadLetter) -> bool:
    return (
        len(letter.value or b"") == letter.source_length_bytes
        and len(letter.key or b"") == letter.source_key_length_bytes
    )
