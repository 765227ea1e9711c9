"""The sensor database of workflow 1, put together from settings: a bucket or a table beside the rows'."""

import asyncio
import time

from app.settings import Settings
from app.timestream import influxdb_of, liveanalytics_of
from sinks.influxdb import InfluxBucket
from sinks.reading import Reading
from sinks.sensor_database import from_influxdb, from_liveanalytics
from sinks.timestream import TimestreamOptions, TimestreamTable


def sensor_store_of(settings: Settings) -> InfluxBucket | TimestreamTable:
    """Where readings lie; it connects to nothing yet. Raises ConfigError."""
    if settings.timestream_engine == "liveanalytics":
        return TimestreamTable(_table(settings), lambda: time.time_ns() // 1_000_000)
    return InfluxBucket(influxdb_of(settings, settings.influxdb_sensor_bucket))


async def readings_of(settings: Settings, since_ms: int, until_ms: int) -> list[Reading]:
    """Read them, oldest first. Raises ConfigError, StoreAwayError."""
    if settings.timestream_engine == "liveanalytics":
        return await asyncio.to_thread(from_liveanalytics, _table(settings), since_ms, until_ms)
    bucket = InfluxBucket(influxdb_of(settings, settings.influxdb_sensor_bucket))
    try:
        return await from_influxdb(bucket, since_ms, until_ms)
    finally:
        await bucket.close()


def _table(settings: Settings) -> TimestreamOptions:
    return liveanalytics_of(settings, settings.timestream_sensor_table, "device_id")
