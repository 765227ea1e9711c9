"""AWS Lambda: a reading from IoT Core into the sensor database, of whichever engine is set.

Settings are those of the application (SMARTBANK_*, docs/settings.md). An event that is no reading, or a
database that is away, is an error of the invocation: Lambda tries twice again and then hands the event, as it
came, to the function's destination for failures. A reading that comes twice is one.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from app.sensor_database import sensor_store_of
from app.settings import Settings
from sinks.influxdb import InfluxBucket
from sinks.influxdb_lines import line_of_reading
from sinks.reading import Reading
from sinks.timestream_records import record_of_reading


class RefusedReadingError(ValueError):
    """The database refuses a reading for good; the message quotes nothing of it."""


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Store what topic-rule.json selects from a message. Called by AWS."""
    asyncio.run(_store(_reading(event), Settings.from_env(os.environ)))


def _reading(event: Mapping[str, Any]) -> Reading:
    device_id, time_ms = event.get("device_id"), event.get("time_ms")
    if not isinstance(device_id, str) or not isinstance(time_ms, int):
        raise RefusedReadingError("device_id and time_ms are missing: see deploy/aws/lambda/topic-rule.json")
    return Reading.of(event, device_id, time_ms)


async def _store(reading: Reading, settings: Settings) -> None:
    store = sensor_store_of(settings)
    try:
        if isinstance(store, InfluxBucket):
            refused: Mapping[int, object] = await store.take([line_of_reading(reading)])
        else:
            refused = await store.take([record_of_reading(reading)])
    finally:
        await store.close()
    if refused:
        raise RefusedReadingError(f"the sensor database refuses the reading: {refused[0]}")
