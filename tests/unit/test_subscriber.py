"""What the subscriber makes of what the SDK tells it: who is refused, and what comes again."""

import asyncio
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from awscrt import mqtt5

from sources.iot.mqtt import IotConnection
from sources.iot.subscriber import Delivery, Subscriber
from sources.iot.topic_filter import TopicFilter
from streaming.errors import ConfigError

RECEIVE_MAXIMUM = 3


@pytest.fixture
def connection(tmp_path: Path) -> IotConnection:
    """To nobody: the tests play the SDK."""
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    return IotConnection(
        endpoint="127.0.0.1",
        port=1,
        cert_file=tmp_path / "cert",
        key_file=tmp_path / "key",
        ca_file=None,
        client_id="test",
    )


def made(connection: IotConnection) -> Subscriber:
    """A subscriber that is not started, in the running loop."""
    topic_filter = TopicFilter(text="devices/+/location")
    return Subscriber(connection, topic_filter, receive_maximum=RECEIVE_MAXIMUM, session_expiry_s=1)


def connect(subscriber: Subscriber, *, is_resumed: bool) -> None:
    """Tell it that it is connected."""
    settings = SimpleNamespace(rejoined_session=is_resumed)
    subscriber._on_connected(SimpleNamespace(negotiated_settings=settings))


def arrive(subscriber: Subscriber, number: int, qos: int = 1) -> None:
    """Tell it that a message came."""
    packet = SimpleNamespace(topic="devices/a/location", payload=str(number).encode())
    acquire = (lambda: number) if qos else None
    subscriber._on_publish(
        SimpleNamespace(publish_packet=packet, acquire_publish_acknowledgement_control=acquire)
    )


def numbers(deliveries: list[Delivery]) -> list[int]:
    """Which messages these are."""
    return [int(delivery.message.payload) for delivery in deliveries]


def suback(code: mqtt5.SubackReasonCode) -> "Future[Any]":
    """An answer of the broker's."""
    answer: Future[Any] = Future()
    answer.set_result(SimpleNamespace(reason_codes=[code]))
    return answer


async def test_a_refused_subscription_ends_it_with_what_to_do(connection: IotConnection) -> None:
    """Whoever waits for messages wakes up."""
    subscriber = made(connection)
    waiting = asyncio.create_task(subscriber.burst(10))
    subscriber._on_subscribed(suback(mqtt5.SubackReasonCode.NOT_AUTHORIZED))
    assert await waiting == []
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1 refuses the subscription to devices/\+/location"):
        subscriber.closed.result()
    subscriber.close()


async def test_what_a_resumed_session_brings_again_is_let_go(connection: IotConnection) -> None:
    """Both what waits and what was taken; of QoS 0 nothing comes again."""
    subscriber = made(connection)
    connect(subscriber, is_resumed=False)
    arrive(subscriber, 1)
    (taken,) = await subscriber.burst(1)
    arrive(subscriber, 2)
    arrive(subscriber, 3, qos=0)
    assert not subscriber.comes_again(taken)
    connect(subscriber, is_resumed=True)
    arrive(subscriber, 1)
    await asyncio.sleep(0)
    assert subscriber.comes_again(taken)
    assert sorted(numbers(await subscriber.burst(10))) == [1, 3]
    subscriber.close()


async def test_what_a_lost_session_held_is_kept(connection: IotConnection) -> None:
    """Nobody sends it again, also not a session that is resumed later."""
    subscriber = made(connection)
    connect(subscriber, is_resumed=False)
    arrive(subscriber, 1)
    connect(subscriber, is_resumed=False)
    connect(subscriber, is_resumed=True)
    await asyncio.sleep(0)
    (kept,) = await subscriber.burst(10)
    assert not subscriber.comes_again(kept)
    subscriber.close()


async def test_unacknowledged_messages_are_bounded_and_counted(connection: IotConnection) -> None:
    """QoS 0 has no other bound than ours."""
    subscriber = made(connection)
    connect(subscriber, is_resumed=False)
    for number in range(10):
        arrive(subscriber, number, qos=0)
    arrive(subscriber, 10)
    assert subscriber.dropped_total == 10 - 2 * RECEIVE_MAXIMUM
    assert numbers(await subscriber.burst(100)) == [*range(2 * RECEIVE_MAXIMUM), 10]
    subscriber.close()


async def test_a_closed_one_gives_out_nothing(connection: IotConnection) -> None:
    """What is not taken comes again in the next process."""
    subscriber = made(connection)
    connect(subscriber, is_resumed=False)
    arrive(subscriber, 1)
    subscriber.close()
    assert await subscriber.burst(10) == []


@pytest.mark.parametrize(
    ("endpoint", "throttle", "is_throttled"),
    [
        ("a1b2-ats.iot.eu-central-1.amazonaws.com", "auto", True),
        ("A1B2-ATS.iot.cn-north-1.AMAZONAWS.com.cn", "auto", True),
        ("amazonaws.com.example", "auto", False),
        ("localhost", "auto", False),
        ("localhost", "on", True),
        ("a1b2-ats.iot.eu-central-1.amazonaws.com", "off", False),
    ],
)
def test_only_amazon_limits_what_is_published(endpoint: str, throttle: Any, is_throttled: bool) -> None:  # noqa: FBT001
    """The SDK would hold every broker's clients to 100 messages a second."""
    connection = IotConnection(
        endpoint=endpoint,
        port=8883,
        cert_file=Path("cert"),
        key_file=Path("key"),
        ca_file=None,
        client_id="test",
        throttle=throttle,
    )
    assert connection.is_throttled == is_throttled
