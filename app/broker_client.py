"""Short-lived Kafka clients for commands: they give up soon, and their errors say what to do."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
)

from app.connection import Connection
from streaming.errors import ConfigError, PipelineError, RetryableError

CONNECT_TIMEOUT_S = 10.0
_PROBE_TIMEOUT_S = 3.0
REQUEST_TIMEOUT_S = 30.0

_DENIALS = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)
_LOGIN_FAILURES = (
    AuthenticationFailedError,
    SaslAuthenticationFailed,
    AuthenticationMethodNotSupported,
    UnsupportedSaslMechanismError,
)


def quiet_client_logs() -> None:
    """Silence aiokafka's loggers: for commands, whose errors are one line. Never in a worker."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL + 1)


@contextmanager
def silent_client_logs() -> Iterator[None]:
    """Silence them for a while: for what a worker asks before it is one."""
    logger = logging.getLogger("aiokafka")
    level = logger.level
    quiet_client_logs()
    try:
        yield
    finally:
        logger.setLevel(level)


@asynccontextmanager
async def raw_client(connection: Connection) -> AsyncIterator[AIOKafkaClient]:
    """Yield a bootstrapped client that sends any request of the protocol. Raises as `explained` says."""
    client = AIOKafkaClient(**_options(connection))
    with explained(connection):
        try:
            await _within_timeout(connection, client.bootstrap())
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def admin_client(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a started admin client. Raises as `explained` says."""
    client = AIOKafkaAdminClient(**_options(connection))
    with explained(connection):
        try:
            await _within_timeout(connection, client.start())
            yield client
        finally:
            await client.close()


@asynccontextmanager
async def groupless_consumer(connection: Connection, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a started consumer that belongs to no group and commits nothing. Raises as `explained` says."""
    consumer = AIOKafkaConsumer(**_options(connection), group_id=None, enable_auto_commit=False, **options)
    with explained(connection):
        try:
            await _within_timeout(connection, consumer.start())
            yield consumer
        finally:
            await consumer.stop()


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """Turn aiokafka's errors into ours: ConfigError where access is denied, else RetryableError."""
    try:
        yield
    except _DENIALS as e:
        what = {29: "topic", 30: "group", 31: "cluster"}[e.errno]
        named = " ".join(str(argument) for argument in e.args)
        raise ConfigError(
            f"{user_of(connection)} is not allowed to do this on {what} {named or '(not named)'}"
            f" at {connection.bootstrap}: grant it with kafka-acls.sh"
        ) from e
    except (KafkaError, TimeoutError) as e:
        raise RetryableError(f"Kafka at {connection.bootstrap} does not answer as it should: {e!r}") from e


def user_of(connection: Connection) -> str:
    """Who the broker takes us for, as far as we know it."""
    if connection.security == "sasl_ssl":
        return f"user {connection.username}"
    return "the client certificate's user" if connection.security == "ssl" else "an anonymous client"


def _options(connection: Connection) -> dict[str, Any]:
    return {**connection.client_options, "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000)}


async def _within_timeout(connection: Connection, starting: Any) -> None:
    """Await a client's start. Raises what `_refusal` says where no broker can be had."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await starting
    except (KafkaConnectionError, TimeoutError) as e:
        raise await _refusal(connection) from e


async def _refusal(connection: Connection) -> PipelineError:
    """Try the first address by hand and say what is wrong: aiokafka's clients only log it."""
    host, port, _ = collect_hosts(connection.bootstrap, randomize=False)[0]
    options = {k: v for k, v in connection.client_options.items() if k != "bootstrap_servers"}
    at = connection.bootstrap
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            (await create_conn(host, port, **options)).close()
    except _LOGIN_FAILURES as e:
        reason = str(e) or type(e).__name__
        return ConfigError(
            f"Kafka at {at} refuses {user_of(connection)}: {reason}; see SMARTBANK_KAFKA_USERNAME"
        )
    except ssl.SSLError as e:
        return ConfigError(
            f"no TLS with Kafka at {at}: {e.reason or e}; see the files of SMARTBANK_KAFKA_*_FILE"
        )
    except (KafkaConnectionError, ConnectionResetError, ConnectionAbortedError, TimeoutError):
        return RetryableError(
            f"{at} does not answer as Kafka does with SMARTBANK_KAFKA_SECURITY={connection.security}:"
            " is it the right address, port and security?"
        )
    except OSError:
        pass
    return RetryableError(
        f"no Kafka at {at}: start one with `python -m app kafka start`, or set SMARTBANK_KAFKA_BOOTSTRAP"
    )
