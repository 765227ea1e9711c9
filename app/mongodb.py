"""MongoDB's sink, put together from settings."""

from app.readable_file import readable_file
from app.settings import Settings
from sinks.mongodb import MongoOptions, MongoSink
from streaming.errors import ConfigError


def mongo_sink_of(settings: Settings) -> MongoSink:
    """Make the sink; it connects to nothing yet. Raises ConfigError where its address is missing."""
    return MongoSink(
        MongoOptions(
            uri=_uri(settings),
            database=settings.mongodb_database,
            ttl_days=settings.mongodb_ttl_days,
            timeout_s=0.9 * settings.sink_write_timeout_s,  # so that its own words tell what is wrong
        )
    )


def _uri(settings: Settings) -> str:
    if settings.mongodb_uri_file:
        return readable_file(settings.mongodb_uri_file, "SMARTBANK_MONGODB_URI_FILE").read_text().strip()
    if not settings.mongodb_uri:
        raise ConfigError(
            "SMARTBANK_MONGODB_URI is empty; wanted mongodb://USER:PASSWORD@HOST:PORT/, or a file with it in"
            " SMARTBANK_MONGODB_URI_FILE"
        )
    return settings.mongodb_uri
