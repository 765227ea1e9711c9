"""What the intake accepts is in Kafka; what it cannot send it says so, whatever happens to the broker."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.intake import intake_of
from app.settings import Settings
from app.topic_admin import create_topics
from sources.intake import Intake, IntakeFullError
from sources.intake_lane import Record
from streaming.errors import OutputLostError, RetryableError
from streaming.partitions import partition_of
from tests.pipeline import Pipeline

pytestmark = pytest.mark.kafka

CONNECT_TIMEOUT_S = 30.0


def record(number: int, *, topic: str = "location_data", value: bytes = b"{}") -> Record:
    """A record of one of a hundred devices, told apart by its header."""
    headers = [("number", str(number).encode())]
    return Record(topic, f"phone-{number % 100}".encode(), value, int(time.time() * 1000), headers)


def with_intake(pipeline: Pipeline, body: Callable[[Intake], Awaitable[Any]], **settings: Any) -> Any:
    """Run `body` with an intake for locations and dead letters."""
    topics = pipeline.topics

    async def run() -> Any:
        chosen = Settings(kafka_bootstrap=pipeline.bootstrap, **settings)
        async with intake_of(
            pipeline.connection, chosen, topics.location_data, topics.dead_letters
        ) as intake:
            return await body(intake)

    return asyncio.run(run())


async def accept_patiently(
    intake: Intake, records: list[Record], timeout_s: float = CONNECT_TIMEOUT_S
) -> None:
    """Try again while Kafka is away."""
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                return await intake.accept(records)
            except RetryableError:
                await asyncio.sleep(0.05)


def numbers(pipeline: Pipeline) -> Counter[int]:
    """How often each record is in the topic."""
    return Counter(
        int(dict(r.headers)["number"]) for r in pipeline.records(pipeline.topics.location_data) if r.headers
    )


def test_accepted_records_are_there_once_in_order_and_where_java_puts_them(pipeline: Pipeline) -> None:
    """Many small requests share batches."""

    async def body(intake: Intake) -> None:
        await accept_patiently(intake, [record(0)])
        await asyncio.gather(*(intake.accept([record(2 * n + 1), record(2 * n + 2)]) for n in range(1000)))
        assert intake.in_flight_bytes == 0

    with_intake(pipeline, body)
    found = pipeline.records(pipeline.topics.location_data)
    assert numbers(pipeline) == Counter(range(2001))
    assert all(r.partition == partition_of(r.key, pipeline.settings.topic_partitions) for r in found)
    for device in {r.key for r in found}:
        of_device = [int(dict(r.headers)["number"]) for r in found if r.key == device]
        assert of_device == sorted(of_device)


def test_more_than_is_allowed_in_flight_is_turned_away_and_nothing_of_it_sent(pipeline: Pipeline) -> None:
    """Memory is bounded, whoever sends."""

    async def body(intake: Intake) -> None:
        await accept_patiently(intake, [record(0)])
        large = [record(n, value=b"x" * 500_000) for n in (1, 2)]
        outcomes = await asyncio.gather(*(intake.accept([r]) for r in large * 2), return_exceptions=True)
        assert Counter(type(outcome) for outcome in outcomes) == {type(None): 2, IntakeFullError: 2}
        assert intake.in_flight_bytes == 0

    with_intake(pipeline, body, intake_max_in_flight_bytes=1_048_576)
    assert numbers(pipeline) == Counter(range(3))


def test_a_record_too_large_is_lost_alone_and_at_once(pipeline: Pipeline) -> None:
    """Its neighbours in the batch do not suffer."""

    async def body(intake: Intake) -> None:
        await accept_patiently(intake, [record(0)])
        outcomes = await asyncio.gather(
            intake.accept([record(1)]),
            intake.accept([record(2, value=b"x" * 2_000_000)]),
            intake.accept([record(3)]),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [type(None), OutputLostError, type(None)]

    with_intake(pipeline, body)
    assert numbers(pipeline) == Counter([0, 1, 3])


def test_what_the_broker_refuses_is_said_and_the_next_is_taken(fresh_kafka: str, tmp_path: Path) -> None:
    """A topic with a limit of its own: the producer is of no use after a refusal, so it is replaced."""

    async def body(intake: Intake) -> None:
        await accept_patiently(intake, [record(0)])
        with pytest.raises(OutputLostError, match="MessageSizeTooLarge"):
            await intake.accept([record(1, value=b"x" * 20_000)])
        await accept_patiently(intake, [record(n) for n in range(2, 10)])

    with Pipeline(fresh_kafka, tmp_path) as pipeline:
        pipeline.create_topics(**{"max.message.bytes": "10000"})
        with_intake(pipeline, body)
        assert numbers(pipeline) == Counter([0, *range(2, 10)])


def test_a_topic_that_is_missing_is_told_and_not_made(fresh_kafka: str, tmp_path: Path) -> None:
    """It is taken up when somebody makes it."""
    with Pipeline(fresh_kafka, tmp_path) as pipeline:

        async def body(intake: Intake) -> None:
            deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
            while "topics create" not in await refusal(intake):
                assert time.monotonic() < deadline_s
                await asyncio.sleep(0.05)
            await asyncio.to_thread(pipeline.create_topics)
            await accept_patiently(intake, [record(0)])
            await intake.check()

        with_intake(pipeline, body)
        assert numbers(pipeline) == Counter([0])


async def refusal(intake: Intake) -> str:
    """What the intake says against a record."""
    with pytest.raises(RetryableError) as caught:
        await intake.accept([record(0)])
    return str(caught.value)


def test_a_topic_that_is_deleted_is_told_and_taken_up_when_it_is_made_again(pipeline: Pipeline) -> None:
    """With fewer partitions than before, of which the connection still knew."""

    async def body(intake: Intake) -> None:
        await accept_patiently(intake, [record(n) for n in range(100)])
        await asyncio.to_thread(Pipeline.delete_all_topics, pipeline.bootstrap)
        outcomes = await asyncio.gather(
            *(intake.accept([record(n)]) for n in range(100)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {RetryableError}
        await create_topics(pipeline.connection, pipeline.topics.all, partitions=1, replication_factor=1)
        await accept_patiently(intake, [record(n) for n in range(100)])

    with_intake(pipeline, body, intake_acknowledge_timeout_s=1.0)
    assert set(numbers(pipeline)) == set(range(100))


def test_without_a_broker_it_opens_says_so_and_closes(pipeline: Pipeline) -> None:
    """Neither start nor stop waits for a broker."""
    nobody = "127.0.0.1:9"

    async def run() -> None:
        settings = Settings(kafka_bootstrap=nobody)
        connection = pipeline.connection.__class__(bootstrap=nobody, security="plaintext")
        async with intake_of(connection, settings, pipeline.topics.location_data) as intake:
            assert "Kafka is away" in await refusal(intake)
            with pytest.raises(RetryableError):
                await intake.check()

    asyncio.run(run())
