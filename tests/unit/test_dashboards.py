"""Grafana's dashboards: written by their program, right by Grafana's own types, with provisioned sources."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from app.settings import PROJECT_DIR
from deploy.grafana.__main__ import DASHBOARDS as WRITTEN
from deploy.grafana.panels import as_json
from deploy.grafana.sensors import ANGLE_DECIMALS
from tests.grafana import DASHBOARDS, GRAFANA_DIR, dashboard, panels, queries

# The TypeScript types of npm's @grafana/schema 12.3.0 (Apache-2.0), made into JSON Schemas by
# ts-json-schema-generator: closed ones, to which a misspelt field is an error. They say nothing of queries.
SCHEMAS = json.loads(
    gzip.decompress((Path(__file__).parent / "data" / "grafana-12.3.0.schemas.json.gz").read_bytes())
)
LARGEST_EXACT = 2**53  # whole numbers of a double, which all numbers of Grafana's page are


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def page(request: pytest.FixtureRequest) -> Any:
    """One of them."""
    return dashboard(request.param)


def broken(page: Any) -> list[str]:
    """Where it is not as Grafana's types have it."""
    found = errors("dashboard", page)  # of panels it says that they are neither panels nor rows
    for panel in panels(page):
        plugin = {"options": panel["options"]}
        if panel["type"] != "stat":
            plugin["custom"] = panel["fieldConfig"]["defaults"].get("custom", {})
        found += [f"{panel['title']}: {error}" for error in errors(panel["type"], plugin)]
    return found


def errors(name: str, instance: Any) -> list[str]:
    """What a schema says against it."""
    validator = jsonschema.Draft7Validator(SCHEMAS[name])
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(instance)]


def test_they_are_what_the_program_writes() -> None:
    """`python -m deploy.grafana` writes them; nobody mends JSON by hand."""
    assert sorted(WRITTEN) == DASHBOARDS
    for path, make in WRITTEN.items():
        assert path.read_text() == as_json(make()), f"{path}: python -m deploy.grafana"


def test_grafana_s_types_hold(page: Any) -> None:
    """Fields, values of enumerations, and what each kind of panel wants."""
    assert broken(page) == []


def test_a_misspelt_field_is_found(page: Any) -> None:
    """Or the test above would prove nothing."""
    last = panels(page)[-1]
    assert not broken(page)
    page["refreshes"] = page.pop("refresh")
    last["options"]["legnd"] = {}
    last["fieldConfig"]["defaults"]["decimals"] = "many"
    assert len(broken(page)) == 3


def test_panels_lie_beside_each_other(page: Any) -> None:
    """None over another, and each with an id of its own."""
    cells = [
        (place["x"] + column, place["y"] + line)
        for panel in page["panels"]
        for place in [panel["gridPos"]]
        for column in range(place["w"])
        for line in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    ids = [panel["id"] for panel in page["panels"]]
    assert len(ids) == len(set(ids))


def test_every_panel_says_what_it_means(page: Any) -> None:
    """In a sentence; and has a query, in the unit of what it shows."""
    for panel in panels(page):
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert panel["type"] == "table" or panel["fieldConfig"]["defaults"]["unit"]


def test_every_source_is_provisioned() -> None:
    """In the Grafana that shows the dashboard: sensors' data are in none but their own."""
    for path in DASHBOARDS:
        sources = {
            target["datasource"]["uid"] for panel in panels(dashboard(path)) for target in panel["targets"]
        }
        folder = path.parent.parent / "provisioning" / "datasources"
        provisioned = re.findall(
            r"^ +uid: (\S+)$", "".join(f.read_text() for f in folder.iterdir()), re.MULTILINE
        )
        assert sources <= set(provisioned)
        assert ("sensors" in provisioned) == (path.parent.parent.name == "sensors")


def test_every_metric_exists() -> None:
    """By docs/metrics.md, which is held to the processes; or by a recording rule."""
    documented = set(
        re.findall(r"^\| `(\w+)`", (PROJECT_DIR / "docs" / "metrics.md").read_text(), re.MULTILINE)
    )
    rules = "".join(path.read_text() for path in (PROJECT_DIR / "deploy" / "prometheus").glob("*.rules.yml"))
    recorded = set(re.findall(r"record: (\S+)", rules))
    for query in queries("prometheus"):
        named = set(re.findall(r"\b(?:smartbank|process|python)[:_][\w:]+", query.text))
        named = {name.removesuffix("_bucket") for name in named}
        assert named or "up" in query.text
        assert named <= documented | recorded, query


def test_no_place_is_rounded() -> None:
    """Grafana's page multiplies by 10 ** decimals and rounds, which is exact below 2 ** 53."""
    (path,) = (path for path in DASHBOARDS if path.stem == "sensors")
    shown = {
        panel["title"]: panel["fieldConfig"]["defaults"].get("decimals") for panel in panels(dashboard(path))
    }
    assert shown["Latitude"] == shown["Longitude"] == ANGLE_DECIMALS
    assert 180 * 10**ANGLE_DECIMALS < LARGEST_EXACT < 180 * 10 ** (ANGLE_DECIMALS + 1)
    assert 10_000 * 10 ** shown["Altitude"] < LARGEST_EXACT


def test_places_are_in_the_sensors_grafana_only() -> None:
    """The other one has no dashboard that could ask for them."""
    for path in DASHBOARDS:
        text = path.read_text()
        is_restricted = 'sensor_readings\\"' in text or "device_id" in text
        assert is_restricted == (path == GRAFANA_DIR / "sensors" / "dashboards" / "sensors.json")
