"""How to connect to AWS IoT Core, or to another MQTT 5 broker: mutual TLS, and what AWS limits."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

from streaming.errors import ConfigError

Throttle = Literal["auto", "on", "off"]

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn")
_KEEP_ALIVE_S = 30
_LEAST_RECONNECT_MS, _MOST_RECONNECT_MS = 500, 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IotConnection:
    """Where the broker is, and the files by which a thing and the broker know each other (PEM)."""

    endpoint: str
    port: int
    cert_file: Path
    key_file: Path
    ca_file: Path | None
    """None: the machine's authorities; AWS IoT Core's own is Amazon Root CA 1."""
    client_id: str
    throttle: Throttle = field(default="auto")
    """Whether to publish as AWS IoT Core allows, 100 messages/s; auto: where the endpoint is Amazon's."""

    @property
    def is_throttled(self) -> bool:
        """Whether the SDK keeps within AWS's limits of a connection."""
        is_aws = self.endpoint.lower().endswith(_AWS_DOMAINS)
        return self.throttle == "on" or (self.throttle == "auto" and is_aws)


def mqtt_client(
    connection: IotConnection,
    *,
    session_expiry_s: int,
    receive_maximum: int | None = None,
    **callbacks: Any,
) -> mqtt5.Client:
    """Make a client that connects when started, and again when it must: exponentially later, with jitter.

    It resumes its session for as long as the broker keeps it. `callbacks` are those of mqtt5_client_builder;
    they are called in a thread of the SDK. Raises ConfigError where a file is none.
    """
    flow = mqtt5.ExtendedValidationAndFlowControlOptions
    try:
        return mqtt5_client_builder.mtls_from_path(
            endpoint=connection.endpoint,
            port=connection.port,
            cert_filepath=str(connection.cert_file),
            pri_key_filepath=str(connection.key_file),
            ca_filepath=connection.ca_file and str(connection.ca_file),
            client_id=connection.client_id,
            keep_alive_interval_sec=_KEEP_ALIVE_S,
            session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS,
            session_expiry_interval_sec=session_expiry_s,
            receive_maximum=receive_maximum,
            extended_validation_and_flow_control_options=(
                flow.AWS_IOT_CORE_DEFAULTS if connection.is_throttled else flow.NONE
            ),
            retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.FULL,
            min_reconnect_delay_ms=_LEAST_RECONNECT_MS,
            max_reconnect_delay_ms=_MOST_RECONNECT_MS,
            enable_metrics_collection=False,  # a user name that tells AWS which SDK this is
            **callbacks,
        )
    except Exception as error:  # noqa: BLE001 (awscrt raises what it likes)
        raise ConfigError(
            f"no TLS with {connection.cert_file}, {connection.key_file} and"
            f" {connection.ca_file or 'the authorities of this machine'}: {error}; wanted PEM files that fit"
        ) from None
