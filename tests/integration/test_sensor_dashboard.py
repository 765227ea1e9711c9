"""The sensors' dashboard on the real InfluxDB, asked with the rights of its own role."""

import csv
import io
import json
import math
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.local_services.influxdb import ORG, TOKEN, LocalInfluxDB
from app.settings import Settings
from sinks.influxdb import InfluxBucket, InfluxOptions, InfluxSink
from sinks.influxdb_lines import line_of_reading
from sinks.reading import Reading
from streaming.errors import ConfigError
from tests.grafana import DASHBOARDS, Query, dashboard, flux, queries
from tests.local_servers import running
from tests.rows import row

BUCKET = Settings().influxdb_sensor_bucket
NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(hours=1)
VARIABLES = {"device": ".*", "threshold_deg": "0.2", "threshold_m": "100"}
DEGREES, METRES = 0.2, 100.0
# Two phones a second apart, 60 readings each: one jumps there and back, up and down; the other nearly does.
JUMPS = {20: {"Latitude": 0.2000001}, 35: {"Longitude": -3.0}, 50: {"Altitude": 100.5}}
NO_JUMPS = {20: {"Latitude": 0.1999999}, 35: {"Longitude": -0.15}, 50: {"Altitude": 99.0}}


def readings() -> list[Reading]:
    """Of both phones, with all the decimals that a double has."""
    made = []
    for device, jumps in (("phone-1", JUMPS), ("phone/2", NO_JUMPS)):
        for second in range(60):
            fields = {
                "Latitude": 37.335816123456785 + math.sin(second) * 1e-8,
                "Longitude": -121.89513012345679 + math.cos(second) * 1e-8,
                "Altitude": 21.1234567890123 + math.sin(second) / 10,
                "Speed": 1.25,
            }
            for name, jump in jumps.get(second, {}).items():
                fields[name] += jump
            time_ms = int((NOW - timedelta(seconds=120 - second)).timestamp() * 1000)
            made.append(Reading(device_id=device, time_ms=time_ms, fields=fields))
    return made


def spikes(field: str, threshold: float) -> list[float]:
    """What the panels must mark, counted here."""
    values = [float(r.fields[field]) for r in readings() if r.device_id == "phone-1"]
    return [later for earlier, later in pairwise(values) if abs(later - earlier) > threshold]


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInfluxDB]:
    """The real one."""
    with running(LocalInfluxDB(tmp_path_factory.mktemp("influxdb"))) as server:
        yield server


@pytest.fixture
async def sensors(influxdb: LocalInfluxDB) -> AsyncIterator[InfluxBucket]:
    """The sensor database with readings in it, for who may only read it."""
    writer = InfluxBucket(options(influxdb, TOKEN))
    await writer.migrate()
    assert await writer.take([line_of_reading(reading) for reading in readings()]) == {}
    await writer.close()
    reader = InfluxBucket(options(influxdb, token_to_read(influxdb, BUCKET)))
    yield reader
    await reader.close()


def options(server: LocalInfluxDB, token: str, bucket: str = BUCKET) -> InfluxOptions:
    """As the settings would have them."""
    return InfluxOptions(url=server.url, org=ORG, token=token, bucket=bucket, retention_days=30, timeout_s=10)


def token_to_read(server: LocalInfluxDB, bucket: str) -> str:
    """What `influx auth create --read-bucket` makes: docs/grafana.md."""

    def ask(path: str, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 (http, to ourselves)
            server.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return json.load(response)

    (found,) = ask(f"/api/v2/buckets?name={bucket}")["buckets"]
    resource = {"type": "buckets", "id": found["id"], "orgID": found["orgID"]}
    permissions = [{"action": "read", "resource": resource}]
    made = ask("/api/v2/authorizations", {"orgID": found["orgID"], "permissions": permissions})
    return str(made["token"])


async def answer(bucket: InfluxBucket, query: Query, since: datetime = START) -> list[dict[str, str]]:
    """The rows of all tables of an answer."""
    asked = flux(query, bucket=bucket.name, start=since, stop=NOW, variables=VARIABLES)
    tables = (await bucket.query(asked)).split("\r\n\r\n")
    return [line for table in tables if table.strip() for line in csv.DictReader(io.StringIO(table.strip()))]


async def test_every_panel_shows_something(sensors: InfluxBucket) -> None:
    """Lines, spikes and tables, for a role that may read this bucket and nothing else."""
    for query in queries("sensors"):
        assert await answer(sensors, query), f"{query} is empty"


async def test_what_the_role_may_not(sensors: InfluxBucket) -> None:
    """Write, or read another bucket."""
    with pytest.raises(ConfigError):
        await sensors.open()
    with pytest.raises(ConfigError):
        await sensors.query('from(bucket: "first") |> range(start: -1h)')


@pytest.mark.parametrize(
    ("field", "threshold"), [("Latitude", DEGREES), ("Longitude", DEGREES), ("Altitude", METRES)]
)
async def test_lines_are_exact_and_jumps_are_marked(
    sensors: InfluxBucket, field: str, threshold: float
) -> None:
    """Each reading as it was sent, and what is too far from the one before: there and back."""
    lines, marks = [query for query in queries("sensors") if query.panel == field]
    shown = sorted(
        (line["device_id"], line["_time"], line["_value"]) for line in await answer(sensors, lines)
    )
    assert [float(value) for _, _, value in shown] == [r.fields[field] for r in readings()]
    marked = await answer(sensors, marks)
    assert [float(line["_value"]) for line in marked] == spikes(field, threshold)
    assert len(marked) == 2
    assert {line["device_id"] for line in marked} == {"phone-1"}


async def test_tables_have_every_decimal(sensors: InfluxBucket) -> None:
    """As text, which nobody rounds."""
    spiked, stored = [query for query in queries("sensors") if query.panel in {"Spikes", "Readings"}]
    assert len(await answer(sensors, spiked)) == 6
    rows = await answer(sensors, stored)
    for field in ("Latitude", "Longitude", "Altitude"):
        assert {line[field] for line in rows} == {repr(r.fields[field]) for r in readings()}


async def test_devices_to_choose_from(sensors: InfluxBucket) -> None:
    """By the dashboard's variable."""
    (path,) = (path for path in DASHBOARDS if path.stem == "sensors")
    device = dashboard(path)["templating"]["list"][0]
    query = Query(dashboard="sensors", panel="device", ref_id="", source="sensors", text=device["query"])
    assert {line["_value"] for line in await answer(sensors, query)} == {"phone-1", "phone/2"}


async def test_rows_for_analysts_are_shown(influxdb: LocalInfluxDB) -> None:
    """The fraud dashboard's panels on what the sink `timestream` writes."""
    sink = InfluxSink(options(influxdb, TOKEN, "rows"))
    await sink.migrate()
    hour = NOW.replace(minute=0, second=0) - timedelta(hours=2)
    made = [row(n, time_from=hour, time_to=hour + timedelta(hours=1)) for n in range(40)]
    assert not await sink.write(made)
    await sink.close()
    reader = InfluxBucket(options(influxdb, token_to_read(influxdb, "rows"), "rows"))
    counts = {}
    for query in queries("rows"):
        lines = await answer(reader, query, NOW - timedelta(hours=6))
        counts[query.panel] = sum(int(line["_value"] or 0) for line in lines)
    await reader.close()
    assert counts == {"Flagged, by category": 10, "Volume, by category": 40, "Verdicts": 40, "Devices": 40}
