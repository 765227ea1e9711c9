"""What Prometheus reads of a process."""

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

NAMESPACE = "smartbank"
"""What the names of our own metrics begin with."""


def process_registry() -> CollectorRegistry:
    """A registry with the figures of this process, its platform and its garbage collector; one a process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def metrics_page(registry: CollectorRegistry) -> web.Response:
    """The metrics of now, in Prometheus' text format."""
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
