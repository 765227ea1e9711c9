"""What the settings say of MQTT: connection, topics, keys. Files are read here, and wrong ones refused."""

from app.readable_file import readable_file
from app.settings import Settings
from app.topics import topics_of
from privacy.field_encryption import FieldCipher
from sources.iot.messages import Reader
from sources.iot.mqtt import IotConnection
from sources.iot.topic_filter import TopicFilter
from streaming.errors import ConfigError


def iot_connection_of(settings: Settings, client_id: str) -> IotConnection:
    """Where the broker is and who we are there. Raises ConfigError where a setting or file is missing."""
    if not settings.iot_endpoint:
        raise ConfigError(
            "SMARTBANK_IOT_ENDPOINT is empty; wanted the host name of an MQTT broker (docs/iot.md)"
        )
    return IotConnection(
        endpoint=settings.iot_endpoint,
        port=settings.iot_port,
        cert_file=readable_file(settings.iot_cert_file, "SMARTBANK_IOT_CERT_FILE"),
        key_file=readable_file(settings.iot_key_file, "SMARTBANK_IOT_KEY_FILE"),
        ca_file=readable_file(settings.iot_ca_file, "SMARTBANK_IOT_CA_FILE")
        if settings.iot_ca_file
        else None,
        client_id=client_id,
        throttle=settings.iot_throttle,
    )


def topic_filter_of(settings: Settings) -> TopicFilter:
    """Which MQTT topics are read. Raises ConfigError."""
    try:
        return TopicFilter(text=settings.iot_topic_filter)
    except ValueError as error:
        raise ConfigError(f"SMARTBANK_IOT_TOPIC_FILTER is {settings.iot_topic_filter!r}: {error}") from None


def reader_of(settings: Settings) -> Reader:
    """Read messages as the settings say. Raises ConfigError."""
    topics, is_required = topics_of(settings), settings.iot_encryption == "required"
    if is_required and not settings.iot_field_keys_file:
        raise ConfigError(
            "SMARTBANK_IOT_ENCRYPTION is required; SMARTBANK_IOT_FIELD_KEYS_FILE must name its keys"
        )
    return Reader(
        topic_filter_of(settings),
        location_topic=topics.location_data.name,
        dead_letter_topic=topics.dead_letters.name,
        cipher=field_cipher_of(settings) if settings.iot_field_keys_file else None,
        must_be_sealed=is_required,
    )


def field_cipher_of(settings: Settings) -> FieldCipher:
    """The keys of encrypted fields, newest first. Raises ConfigError, which quotes no key."""
    path = readable_file(settings.iot_field_keys_file, "SMARTBANK_IOT_FIELD_KEYS_FILE")
    lines = path.read_bytes().split(b"\n")
    keys = [line.strip() for line in lines if line.strip() and not line.startswith(b"#")]
    try:
        return FieldCipher(keys)
    except ValueError as error:
        raise ConfigError(
            f"SMARTBANK_IOT_FIELD_KEYS_FILE is {str(path)!r}, where {error};"
            " wanted one key a line (docs/iot.md)"
        ) from None
