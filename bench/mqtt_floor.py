"""The least that a bridge does: `python -m bench.mqtt_floor COUNT` takes messages and acknowledges them."""

import asyncio
import logging
import os
import sys

import uvloop

from app.iot import iot_connection_of, topic_filter_of
from app.settings import Settings
from sources.iot.subscriber import Subscriber
from streaming.garbage import collect_less_often

COUNTED = "counted"


async def count(settings: Settings, messages: int) -> None:
    """Return when so many came."""
    async with Subscriber(
        iot_connection_of(settings, settings.iot_client_id),
        topic_filter_of(settings),
        receive_maximum=settings.iot_receive_maximum,
        session_expiry_s=settings.iot_session_expiry_s,
    ) as subscriber:
        counted = 0
        while counted < messages:
            burst = await subscriber.burst(messages)
            subscriber.acknowledge(burst)
            counted += len(burst)
        print(COUNTED, flush=True)
        await asyncio.Event().wait()  # until it is ended: what it has used is read from outside


def main() -> None:
    """Count; the log says when it is subscribed."""
    collect_less_often()
    logging.basicConfig(level="INFO")
    uvloop.run(count(Settings.from_env(os.environ), int(sys.argv[1])))


if __name__ == "__main__":
    main()
