"""Messages for the live page's board, and a page without Kafka behind it."""

from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import flask
import msgspec
from prometheus_client import CollectorRegistry

from dashboard.access import Access
from dashboard.board import Bounds, Message
from dashboard.grid import Grid
from dashboard.live import Live
from dashboard.metrics import DashboardMetrics
from dashboard.views import AnalystView, DeskView
from dashboard.web import Options, Site, create_web
from models.flagged_transaction import FlagEvent, FlaggedTransaction
from models.location_fix import LocationFix
from tests.explaining import decision

NOW_MS = 1_711_972_800_000
BOUNDS = Bounds(history_s=3600, devices=100, fixes=50, flagged=100)
ANALYST = AnalystView(Grid(5.0), b"alias key")


def location(device_id: str, at_s: float = 0.0, **more: Any) -> LocationFix:
    """A fix so long after now."""
    fields = {"latitude_deg": 37.33, "longitude_deg": -121.89, "speed_mps": 1.0, "altitude_m": 25.0, **more}
    moment = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(seconds=at_s)
    return LocationFix(device_id=device_id, event_time=moment, **fields)


def flagged(event: FlagEvent = "flagged", **changes: Any) -> FlaggedTransaction:
    """The line of a flagged transaction of the device `phone`."""
    return FlaggedTransaction.of(decision(**{"revision": 1, **changes}), "1977", event)


def live_with(*messages: Message, bounds: Bounds = BOUNDS) -> Live:
    """A board on which these came just now."""
    live = Live(bounds)
    live.take([(message, NOW_MS) for message in messages], NOW_MS)
    return live


def changes(live: Live, view: Any, since: int = -1) -> dict[str, Any]:
    """What a page would get, decoded; nothing: an empty one."""
    frame = live.changes(view, since)
    if frame is None:
        return {}
    data = frame[0].decode().split("\ndata: ")[1]
    return dict(msgspec.json.decode(data))


def web_of(access: Access, live: Live | None = None, **options: Any) -> flask.Flask:
    """The pages, as a server would be given them."""
    registry = CollectorRegistry()
    stop = Event()
    stop.set()  # a stream ends after its first events
    return create_web(
        Site(
            live=live or live_with(),
            access=access,
            views={"desk": DeskView(), "analyst": ANALYST},
            options=Options(
                **{
                    "every_s": 0.01,
                    "most_pages": 2,
                    "history_s": 3600,
                    "most_devices": 100,
                    "most_flagged": 100,
                    **options,
                }
            ),
            metrics=DashboardMetrics(registry),
            registry=registry,
            stop=stop,
        )
    )
