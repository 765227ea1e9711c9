"""The sink `timestream`, put together from settings: one of two engines by the name of Timestream."""

from app.readable_file import readable_file
from app.settings import Settings
from sinks.base import Sink
from sinks.influxdb import InfluxOptions, InfluxSink
from sinks.timestream import TimestreamOptions, TimestreamSink
from streaming.errors import ConfigError


def timestream_sink_of(settings: Settings) -> Sink:
    """Make the sink of `timestream_engine`; it connects to nothing yet. Raises ConfigError."""
    if settings.timestream_engine == "liveanalytics":
        return TimestreamSink(liveanalytics_of(settings, settings.timestream_table, "row_token"))
    return InfluxSink(influxdb_of(settings, settings.influxdb_bucket))


def influxdb_of(settings: Settings, bucket: str) -> InfluxOptions:
    """A bucket of InfluxDB. Raises ConfigError where something is missing."""
    token = settings.influxdb_token
    if settings.influxdb_token_file:
        path = readable_file(settings.influxdb_token_file, "SMARTBANK_INFLUXDB_TOKEN_FILE")
        token = path.read_text().strip()
    wanted = {"URL": settings.influxdb_url, "ORG": settings.influxdb_org, "TOKEN": token}
    if missing := [f"SMARTBANK_INFLUXDB_{name}" for name, value in wanted.items() if not value]:
        raise ConfigError(
            f"{', '.join(missing)} empty; wanted address, organization and token of InfluxDB 2 or Amazon"
            " Timestream for InfluxDB (or SMARTBANK_TIMESTREAM_ENGINE=liveanalytics; docs/timestream.md)"
        )
    return InfluxOptions(
        url=settings.influxdb_url,
        org=settings.influxdb_org,
        token=token,
        bucket=bucket,
        retention_days=settings.timestream_retention_days,
        timeout_s=settings.sink_write_timeout_s,
    )


def liveanalytics_of(settings: Settings, table: str, partition_dimension: str) -> TimestreamOptions:
    """A table of Timestream for LiveAnalytics."""
    return TimestreamOptions(
        region=settings.timestream_region,
        database=settings.timestream_database,
        table=table,
        partition_dimension=partition_dimension,
        memory_hours=settings.timestream_memory_hours,
        retention_days=settings.timestream_retention_days,
        timeout_s=settings.sink_write_timeout_s,
        endpoint_url=settings.timestream_endpoint_url,
    )
