"""What Prometheus reads of a process that serves HTTP itself."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def metrics_page(registry: CollectorRegistry) -> web.Response:
    """The metrics of now, in Prometheus' text format."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
