"""Simulated sensors, put together: phones and laptops publish by MQTT, everything else goes to Kafka."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable

from app.connection import connection_of
from app.intake import intake_of
from app.iot import field_cipher_of, iot_connection_of, topic_filter_of
from app.settings import Settings
from app.topics import topics_of
from sources.event_file import Event
from sources.intake import Intake
from sources.intake_lane import Record
from sources.iot.readings import Enrichment, enriched
from sources.iot.sensors import Sensors
from sources.iot.topic_filter import TopicFilter
from streaming.errors import ConfigError, RetryableError

_KAFKA_TIMEOUT_S = 30.0
_RETRY_PAUSE_S = 0.2


async def play_sensors(
    settings: Settings, events: Iterable[Event], *, speed: float, enrichment: Enrichment, encrypt: bool
) -> Counter[str]:
    """Play `events` in the rhythm of their arrivals, `speed` times as fast; return what became of them.

    Locations are enriched, encrypted where `encrypt` says so, and published by MQTT under their devices'
    topics; transactions go to Kafka as the bank sends them. Raises ConfigError for settings that cannot work,
    RetryableError where a broker is away for long.
    """
    topic_filter = topic_filter_of(settings)
    try:
        topic_filter.topic_of("device")
    except ValueError as error:
        raise ConfigError(
            f"SMARTBANK_IOT_TOPIC_FILTER is {settings.iot_topic_filter!r}: {error}, to publish by it"
        ) from None
    try:
        return await _play(settings, events, speed, enrichment, topic_filter, encrypt=encrypt)
    except ExceptionGroup as group:  # what ends one of several tasks comes in a group
        raise group.exceptions[0] from None


async def _play(
    settings: Settings,
    events: Iterable[Event],
    speed: float,
    enrichment: Enrichment,
    topic_filter: TopicFilter,
    *,
    encrypt: bool,
) -> Counter[str]:
    topics, counts = topics_of(settings), Counter[str]()
    iot_connection = iot_connection_of(settings, client_id=settings.iot_sensors_client_id)
    cipher = field_cipher_of(settings) if encrypt else None
    async with (
        intake_of(connection_of(settings), settings, topics.transaction_data) as intake,
        Sensors(iot_connection, topic_filter, cipher) as sensors,
        asyncio.TaskGroup() as sending,
    ):
        started_s, first_ms = time.monotonic(), None
        for event, is_made_up in enriched(events, topics.location_data.name, enrichment):
            first_ms = event.arrival_ms if first_ms is None else first_ms
            due_s = started_s + (event.arrival_ms - first_ms) / 1000 / speed
            await asyncio.sleep(due_s - time.monotonic())
            if event.topic == topics.location_data.name:
                counts["made up"] += is_made_up
                await sensors.publish(event.key or "unknown", event.value_bytes)
            else:
                counts["to Kafka"] += 1
                sending.create_task(_accept(intake, event))
        await sensors.finish()
    return counts + sensors.outcomes


async def _accept(intake: Intake, event: Event) -> None:
    record = Record(event.topic, event.key_bytes or b"", event.value_bytes, event.arrival_ms)
    deadline_s = time.monotonic() + _KAFKA_TIMEOUT_S
    while True:
        try:
            return await intake.accept([record])
        except RetryableError:
            if time.monotonic() > deadline_s:
                raise
            await asyncio.sleep(_RETRY_PAUSE_S)
