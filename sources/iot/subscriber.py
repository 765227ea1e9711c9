"""An MQTT 5 subscription whose messages are acknowledged by hand: from the SDK's threads to asyncio."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple, Self

from awscrt import mqtt5

from sources.iot.messages import Message
from sources.iot.mqtt import IotConnection, mqtt_client
from sources.iot.topic_filter import TopicFilter
from streaming.errors import ConfigError

log = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0
_LOWEST_FAILURE = 0x80  # MQTT 5, 3.9.3: from here on a reason code says no


class _Place(NamedTuple):
    """When a message came: in which session of the broker's, over which connection."""

    session: int
    connection: int


class Delivery(NamedTuple):
    """A message and what acknowledges it; None for QoS 0, which nobody acknowledges or sends again."""

    message: Message
    handle: Any
    place: _Place


class Subscriber:
    """Subscribes at every connection; an asynchronous context manager. Leaving it keeps the session.

    The broker sends at most `receive_maximum` messages of QoS 1 that are not acknowledged; so at most as many
    wait here. One of QoS 0 is dropped, and counted, where twice as many wait. What is not acknowledged comes
    again when this client, or the next one of the same id, resumes the session: within `session_expiry_s`,
    and with a broker that keeps sessions.
    """

    def __init__(
        self,
        connection: IotConnection,
        topic_filter: TopicFilter,
        *,
        receive_maximum: int,
        session_expiry_s: int,
    ) -> None:
        self.dropped_total = 0
        """Messages of QoS 0 that came while too much waited."""
        self.connections_total = 0
        self.is_subscribed = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Ends with close(), or with ConfigError where the broker refuses the subscription."""
        self._endpoint = f"{connection.endpoint}:{connection.port}"
        self._filter, self._most_waiting = topic_filter, receive_maximum
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Delivery] = deque()
        self._something = asyncio.Event()
        self._is_woken = False
        self._place = _Place(session=0, connection=0)
        self._stopped = asyncio.Event()
        self._client = mqtt_client(
            connection,
            session_expiry_s=session_expiry_s,
            receive_maximum=receive_maximum,
            on_publish_received=self._on_publish,
            on_lifecycle_connection_success=self._on_connected,
            on_lifecycle_connection_failure=self._on_failure,
            on_lifecycle_disconnection=self._on_disconnected,
            on_lifecycle_stopped=lambda _: self._call(self._stopped.set),
        )

    async def __aenter__(self) -> Self:
        self._client.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect after the acknowledgements that were given; the broker keeps the session."""
        self.close()
        self._client.stop(mqtt5.DisconnectPacket())
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._stopped.wait()
        except TimeoutError:
            log.warning("the MQTT client did not stop within %g s", _STOP_TIMEOUT_S)

    @property
    def waiting_total(self) -> int:
        """Messages that nobody has taken yet."""
        return len(self._arrived)

    async def burst(self, most: int) -> list[Delivery]:
        """Return what has arrived, in its order, as soon as there is something; nothing after close()."""
        while not self._arrived and not self.closed.done():
            self._something.clear()
            await self._something.wait()
        if self.closed.done():
            return []
        return [self._arrived.popleft() for _ in range(min(most, len(self._arrived)))]

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Send the PUBACKs. Those of a connection that is no more are left out: the message comes again."""
        acknowledge = self._client.invoke_publish_acknowledgement
        for delivery in deliveries:
            if delivery.handle is not None and delivery.place == self._place:
                acknowledge(delivery.handle)

    def comes_again(self, delivery: Delivery) -> bool:
        """Whether the broker sends this message once more, since its session was resumed meanwhile."""
        came, now = delivery.place, self._place
        return (
            delivery.handle is not None and came.session == now.session and came.connection < now.connection
        )

    def close(self) -> None:
        """Take no more."""
        if not self.closed.done():
            self.closed.set_result(None)
        self._something.set()

    # -- in the SDK's thread ---------------------------------------------------------------------------

    def _on_publish(self, data: mqtt5.PublishReceivedData) -> None:
        packet, acquire = data.publish_packet, data.acquire_publish_acknowledgement_control
        if acquire is None and len(self._arrived) >= 2 * self._most_waiting:
            self.dropped_total += 1
            return
        message = Message(packet.topic, packet.payload or b"")
        self._arrived.append(Delivery(message, acquire and acquire(), self._place))
        if not self._is_woken:  # one call for all that comes before the loop gets to it
            self._is_woken = True
            self._call(self._wake)

    def _on_connected(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        is_resumed = data.negotiated_settings.rejoined_session
        session, connection = self._place
        self._place = _Place(session if is_resumed else session + 1, connection + 1)
        self.connections_total += 1
        log.info("connected with %s, session %s", self._endpoint, "resumed" if is_resumed else "new")
        self._call(self._forget_what_comes_again)
        self._subscribe()

    def _subscribe(self) -> None:
        wanted = mqtt5.Subscription(self._filter.text, mqtt5.QoS.AT_LEAST_ONCE)
        try:
            answer = self._client.subscribe(mqtt5.SubscribePacket([wanted]))
        except Exception as error:  # noqa: BLE001 (awscrt raises what it likes, and would swallow it here)
            self._call(self._refuse, str(error))
        else:
            answer.add_done_callback(self._on_subscribed)

    def _on_subscribed(self, answer: "Future[mqtt5.SubackPacket]") -> None:
        if error := answer.exception():  # no answer in time
            if not self.closed.done():
                log.warning("not subscribed at %s: %s; trying again", self._endpoint, error)
                self._subscribe()
            return
        code = answer.result().reason_codes[0]
        if code >= _LOWEST_FAILURE:
            self._call(self._refuse, code.name)
        else:
            self.is_subscribed = True
            log.info("subscribed to %s", self._filter.text)

    def _on_failure(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        refusal = data.connack_packet
        said = refusal.reason_code.name if refusal and refusal.reason_code else data.exception
        log.warning("no connection with %s: %s; trying again", self._endpoint, said)

    def _on_disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        self.is_subscribed = False
        if not self.closed.done():
            said = data.disconnect_packet.reason_code.name if data.disconnect_packet else data.exception
            log.warning("the connection with %s broke: %s", self._endpoint, said)

    def _call(self, function: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # -- in the loop's thread --------------------------------------------------------------------------

    def _wake(self) -> None:
        self._is_woken = False
        self._something.set()

    def _refuse(self, said: str) -> None:
        if not self.closed.done():
            self.closed.set_exception(
                ConfigError(
                    f"{self._endpoint} refuses the subscription to {self._filter.text} ({said}): allow it to"
                    " this certificate (docs/iot.md), or correct SMARTBANK_IOT_TOPIC_FILTER"
                )
            )
        self._something.set()

    def _forget_what_comes_again(self) -> None:
        """Keep the memory bounded however often a connection breaks."""
        for _ in range(len(self._arrived)):
            delivery = self._arrived.popleft()
            if not self.comes_again(delivery):
                self._arrived.append(delivery)
