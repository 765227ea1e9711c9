"""`python -m app bridge`: from AWS IoT Core, or another MQTT 5 broker, to Kafka."""

import asyncio
import importlib.util
import os
from collections.abc import Callable


def bridge() -> None:
    """Bring what devices publish by MQTT to location_data, until SIGTERM or Ctrl-C.

    A message is acknowledged when Kafka has it: whatever ends, the bridge, Kafka or the network, the MQTT
    broker sends the rest again. Settings SMARTBANK_IOT_*; docs/iot.md shows how to set up AWS and mosquitto.
    """
    import logging

    from app.bridge import run_bridge
    from app.settings import Settings
    from streaming.garbage import collect_less_often

    settings = Settings.from_env(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(), format="[%(asctime)s] [%(levelname)s] %(name)s: %(message)s"
    )
    collect_less_often()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(run_bridge(settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed (it is not for every platform)."""
    if not importlib.util.find_spec("uvloop"):
        return None
    import uvloop

    return uvloop.new_event_loop
