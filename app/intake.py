"""The intake of records from outside, put together from connection and settings."""

from functools import partial

from aiokafka import AIOKafkaProducer

from app.connection import Connection
from app.settings import Settings
from app.topics import TopicSpec
from app.worker_rights import check_write_rights
from sources.intake import Intake, IntakeOptions

_BATCH_BYTES = 256 * 1024
_MAX_RECORD_BYTES = 1_000_000  # brokers take batches of 1,048,588 bytes by default
_METADATA_MAX_AGE_S = 30.0  # so soon new partitions are seen


def intake_of(connection: Connection, settings: Settings, *topics: TopicSpec) -> Intake:
    """Make the intake for these topics; it connects when it is entered, and needs an event loop only then."""
    make_producer = partial(
        AIOKafkaProducer,
        **connection.client_options,
        acks="all",
        enable_idempotence=True,  # a batch that is sent again must not overtake the next
        max_batch_size=_BATCH_BYTES,
        metadata_max_age_ms=int(_METADATA_MAX_AGE_S * 1000),
        request_timeout_ms=int(settings.intake_acknowledge_timeout_s * 1000),
    )
    options = IntakeOptions(
        linger_s=settings.intake_linger_s,
        acknowledge_timeout_s=settings.intake_acknowledge_timeout_s,
        max_in_flight_bytes=settings.intake_max_in_flight_bytes,
        max_record_bytes=_MAX_RECORD_BYTES,
    )
    names = [topic.name for topic in topics]
    return Intake(make_producer, names, options, partial(check_write_rights, connection, names))
