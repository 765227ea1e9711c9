"""The dashboards as Grafana asks for them: each query of each panel, with Grafana's variables filled in."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.settings import PROJECT_DIR

GRAFANA_DIR = PROJECT_DIR / "deploy" / "grafana"
DASHBOARDS = sorted(GRAFANA_DIR.glob("*/dashboards/*.json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One of a panel's."""

    dashboard: str
    panel: str
    ref_id: str
    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.dashboard} / {self.panel} {self.ref_id}"


def dashboard(path: Path) -> Any:
    """Its JSON."""
    return json.loads(path.read_text())


def panels(of: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those that show something: no rows."""
    return [panel for panel in of["panels"] if panel["type"] != "row"]


def queries(source: str) -> Iterator[Query]:
    """All that ask a data source, by its uid."""
    for path in DASHBOARDS:
        for panel in panels(dashboard(path)):
            for target in panel["targets"]:
                if target["datasource"]["uid"] == source:
                    yield Query(
                        dashboard=path.stem,
                        panel=panel["title"],
                        ref_id=target["refId"],
                        source=source,
                        text=target.get("expr") or target["query"],
                    )


def promql(query: Query, *, scrape_interval_s: int) -> str:
    """The expression that reaches Prometheus where points are no further apart than scrapes.

    $__rate_interval is then four scrapes (Grafana's documentation of its Prometheus data source).
    """
    return _whole(query.text.replace("$__rate_interval", f"{4 * scrape_interval_s}s"))


def flux(query: Query, *, bucket: str, start: datetime, stop: datetime, variables: Mapping[str, str]) -> str:
    """The query that reaches InfluxDB: v.… is put in by Grafana's backend, ${…} by its page."""
    text = query.text
    for name, value in variables.items():
        text = re.sub(rf"\$\{{{name}(:\w+)?\}}", lambda _: value, text)  # noqa: B023 (used at once)
    known = {
        "v.timeRangeStart": _rfc3339(start),
        "v.timeRangeStop": _rfc3339(stop),
        "v.windowPeriod": "10s",
        "v.defaultBucket": json.dumps(bucket),
    }
    for name, value in known.items():
        text = text.replace(name, value)
    assert not re.search(r"\bv\.\w", text), text
    return _whole(text)


def _whole(text: str) -> str:
    """Nothing is left to fill in."""
    assert not re.search(r"\$(\{|\w)", text), text
    return text


def _rfc3339(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
