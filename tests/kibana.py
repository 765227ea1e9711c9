"""What Kibana asks of Elasticsearch for a panel, from the saved objects that it imports.

Kibana itself cannot be had here. Of aggregation-based panels it makes a request in this way: the metric and
bucket aggregations in their order, each bucket within the one before (docs: "Aggregation-based" editor).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.settings import PROJECT_DIR

SAVED_OBJECTS = PROJECT_DIR / "deploy" / "kibana" / "smart-bank-streams.ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel's request."""

    index: str
    body: Mapping[str, Any]


def saved_objects(path: Path = SAVED_OBJECTS) -> dict[tuple[str, str], dict[str, Any]]:
    """All objects of the file by type and id."""
    objects = [json.loads(line) for line in path.read_text().splitlines()]
    return {(each["type"], each["id"]): each for each in objects}


def panels() -> dict[str, Panel]:
    """Every panel of the dashboard by its id."""
    objects = saved_objects()
    dashboard = objects["dashboard", "smart-bank-streams"]
    referred = {each["name"]: (each["type"], each["id"]) for each in dashboard["references"]}
    shown = json.loads(dashboard["attributes"]["panelsJSON"])
    places = [referred[f"{panel['panelIndex']}:{panel['panelRefName']}"] for panel in shown]
    return {place[1]: _panel(objects, objects[place]) for place in places}


def _panel(objects: Mapping[tuple[str, str], Any], visualization: Mapping[str, Any]) -> Panel:
    source = json.loads(visualization["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    (pattern,) = [
        objects[each["type"], each["id"]]
        for each in visualization["references"]
        if each["name"] == source["indexRefName"]
    ]
    state = json.loads(visualization["attributes"]["visState"])
    body: dict[str, Any] = {"size": 0, "track_total_hits": True, "aggs": _aggregations(state["aggs"])}
    if source["query"]["query"]:
        # A KQL query of one `field: value` is the same in Lucene's syntax.
        body["query"] = {"query_string": {"query": source["query"]["query"]}}
    return Panel(index=pattern["attributes"]["title"], body=body)


def _aggregations(told: list[dict[str, Any]]) -> dict[str, Any]:
    metrics = {
        each["id"]: {each["type"]: {"field": each["params"]["field"]}}
        for each in told
        if each["schema"] == "metric" and each["type"] != "count"  # a count is in every answer
    }
    inner = metrics
    for each in reversed([each for each in told if each["schema"] != "metric"]):
        inner = {each["id"]: {each["type"]: _bucket(each), "aggs": inner}}
    return inner


def _bucket(told: Mapping[str, Any]) -> dict[str, Any]:
    params = told["params"]
    if told["type"] == "date_histogram":
        unit = {"calendar_interval": f"1{params['interval']}", "time_zone": "UTC"}
        return {"field": params["field"], "min_doc_count": params["min_doc_count"], **unit}
    assert (told["type"], params["orderBy"]) == ("terms", "1")
    return {"field": params["field"], "size": params["size"], "order": {"_count": params["order"]}}
