"""Devices that publish where they are, as AWS IoT Core takes it: MQTT 5, QoS 1, mutual TLS."""

import asyncio
from collections import Counter
from typing import Any, Self

import msgspec
from awscrt import mqtt5

from privacy.field_encryption import FieldCipher
from sources.iot.mqtt import IotConnection, mqtt_client
from sources.iot.readings import BOUND_FIELDS, SECRET_FIELDS
from sources.iot.topic_filter import TopicFilter
from streaming.errors import RetryableError

_CONNECT_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_MOST_UNDER_WAY = 1000
_SESSION_EXPIRY_S = 3600
_LOWEST_FAILURE = 0x80  # MQTT 5, 3.4.2.1: from here on a reason code says no


class Sensors:
    """Publishes over one connection for many devices; an asynchronous context manager.

    With a `cipher` each message's place and movement leave encrypted. Raises RetryableError where no broker
    can be had at the start; one that goes away later gets everything when it is back.
    """

    def __init__(
        self, connection: IotConnection, topic_filter: TopicFilter, cipher: FieldCipher | None = None
    ) -> None:
        self.outcomes: Counter[str] = Counter()
        """Messages by what the broker said: accepted, unheard (nobody is subscribed), refused."""
        self._connection, self._filter, self._cipher = connection, topic_filter, cipher
        self._room = asyncio.Semaphore(_MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._is_connected, self._is_stopped = asyncio.Event(), asyncio.Event()
        self._client = mqtt_client(
            connection,
            session_expiry_s=_SESSION_EXPIRY_S,
            on_lifecycle_connection_success=lambda _: loop.call_soon_threadsafe(self._is_connected.set),
            on_lifecycle_connection_failure=self._note_failure,
            on_lifecycle_stopped=lambda _: loop.call_soon_threadsafe(self._is_stopped.set),
        )
        self._failure: Any = "no answer"

    async def __aenter__(self) -> Self:
        self._client.start()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._is_connected.wait()
        except TimeoutError:
            self._client.stop()
            raise RetryableError(
                f"no connection with {self._connection.endpoint}:{self._connection.port}: {self._failure}"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._under_way:
            task.cancel()
        self._client.stop()
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await self._is_stopped.wait()

    async def publish(self, device_id: str, payload: bytes) -> None:
        """Hand a message over; waits while 1,000 are under way."""
        await self._room.acquire()
        packet = mqtt5.PublishPacket(
            topic=self._filter.topic_of(device_id),
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            payload=self._sealed(payload) if self._cipher else payload,
        )
        task = asyncio.create_task(self._published(packet))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self) -> None:
        """Return when the broker has answered to everything."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _published(self, packet: mqtt5.PublishPacket) -> None:
        try:
            answer = await asyncio.wrap_future(self._client.publish(packet))
        except Exception as error:  # noqa: BLE001 (awscrt's own; only they can come)
            self._failure, code = error, _LOWEST_FAILURE
        else:
            code = answer.puback.reason_code or 0
        finally:
            self._room.release()
        if code >= _LOWEST_FAILURE:
            self.outcomes["refused"] += 1
        elif code == mqtt5.PubackReasonCode.NO_MATCHING_SUBSCRIBERS:
            self.outcomes["unheard"] += 1
        else:
            self.outcomes["accepted"] += 1

    def _sealed(self, payload: bytes) -> bytes:
        """The payload with its secret fields encrypted; what is no JSON object has none."""
        assert self._cipher is not None  # noqa: S101 (for mypy)
        try:
            message = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return payload
        return msgspec.json.encode(self._cipher.sealed(message, SECRET_FIELDS, BOUND_FIELDS))

    def _note_failure(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        self._failure = data.exception
