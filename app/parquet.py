"""The Parquet sink, put together from settings."""

from app.settings import Settings
from sinks.parquet import ParquetSink
from streaming.errors import ConfigError


def parquet_sink_of(settings: Settings) -> ParquetSink:
    """Make the sink. Raises ConfigError where its folder or URL is missing or none."""
    if not settings.parquet_url:
        raise ConfigError(
            "SMARTBANK_PARQUET_URL is empty; wanted a folder or s3://BUCKET/PREFIX (docs/parquet.md)"
        )
    return ParquetSink(settings.parquet_url)
