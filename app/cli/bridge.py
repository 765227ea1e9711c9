"""`python -m app bridge`: from AWS IoT Core, or another MQTT 5 broker, to Kafka."""

import asyncio
import os


def bridge() -> None:
    """Bring what devices publish by MQTT to location_data, until SIGTERM or Ctrl-C.

    A message is acknowledged when Kafka has it: whatever ends, the bridge, Kafka or the network, the MQTT
    broker sends the rest again. Settings SMARTBANK_IOT_*; docs/iot.md shows how to set up AWS and mosquitto.
    """
    import logging

    from app.bridge import run_bridge
    from app.cli.worker import use_uvloop
    from app.settings import Settings

    settings = Settings.from_env(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(), format="[%(asctime)s] %(levelname)s %(name)s: %(message)s"
    )
    use_uvloop()
    asyncio.run(run_bridge(settings))
