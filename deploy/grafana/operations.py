"""Is all well? What an operator looks at, from Prometheus."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import page
from deploy.grafana.store_panels import sketches_and_privacy, stores
from deploy.grafana.stream_panels import glance, stream
from deploy.grafana.worker_panels import processes, work


def operations() -> Dashboard:
    """The dashboard."""
    return page(
        uid="smart-bank-operations",
        title="Smart Bank: operations",
        description="Is all well? docs/metrics.md says what each metric means, docs/runbook.md what to do.",
        time_from="now-1h",
        refresh="10s",
        rows={
            "At a glance": glance(),
            "Stream": stream(),
            "Work": work(),
            "Stores": stores(),
            "Sketches and privacy": sketches_and_privacy(),
            "Processes": processes(),
        },
    )
