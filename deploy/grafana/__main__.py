"""Write the dashboards: `python -m deploy.grafana`. Needs grafana-foundation-sdk (requirements/dev.txt)."""

from pathlib import Path
from typing import Final

from deploy.grafana.fraud import fraud
from deploy.grafana.operations import operations
from deploy.grafana.panels import as_json
from deploy.grafana.sensors import sensors

_HERE: Final = Path(__file__).parent
DASHBOARDS: Final = {
    _HERE / "operators" / "dashboards" / "operations.json": operations,
    _HERE / "operators" / "dashboards" / "fraud.json": fraud,
    _HERE / "sensors" / "dashboards" / "sensors.json": sensors,
}


def write() -> None:
    """Write all of them into their places."""
    for path, make in DASHBOARDS.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_json(make()))


if __name__ == "__main__":
    write()
