"""Elasticsearch's sink, put together from settings."""

from app.readable_file import readable_file
from app.settings import Settings
from sinks.elasticsearch import ElasticsearchOptions, ElasticsearchSink
from streaming.errors import ConfigError


def elasticsearch_sink_of(settings: Settings) -> ElasticsearchSink:
    """Make the sink; it connects to nothing yet. Raises ConfigError where its address is missing."""
    if not settings.elasticsearch_url:
        raise ConfigError("SMARTBANK_ELASTICSEARCH_URL is empty; wanted https://HOST:PORT")
    api_key, password = settings.elasticsearch_api_key, settings.elasticsearch_password
    if settings.elasticsearch_secret_file:
        path = readable_file(settings.elasticsearch_secret_file, "SMARTBANK_ELASTICSEARCH_SECRET_FILE")
        secret = path.read_text().strip()
        api_key, password = ("", secret) if settings.elasticsearch_username else (secret, "")
    return ElasticsearchSink(
        ElasticsearchOptions(
            url=settings.elasticsearch_url,
            index=settings.elasticsearch_index,
            api_key=api_key,
            username=settings.elasticsearch_username,
            password=password,
            ca_file=settings.elasticsearch_ca_file,
            timeout_s=settings.sink_write_timeout_s,
        )
    )
