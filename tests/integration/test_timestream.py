"""Timestream: InfluxDB is the real one. For LiveAnalytics moto stands in: it proves the calls, not what
Amazon does with them.
"""

import ast
import asyncio
import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.stub import ANY, Stubber
from cryptography.fernet import Fernet
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.local_services.influxdb import ORG, TOKEN, LocalInfluxDB
from app.local_services.moto import CREDENTIALS, REGION, LocalMoto
from app.sensor_database import sensor_store_of
from app.settings import PROJECT_DIR, Settings
from privacy.field_encryption import FieldCipher
from sinks.base import StoreAwayError
from sinks.influxdb import InfluxBucket, InfluxOptions, InfluxSink
from sinks.influxdb_lines import line_of_reading
from sinks.reading import Reading
from sinks.timestream import TimestreamOptions, TimestreamSink, TimestreamTable
from sinks.timestream_records import record_of_row
from streaming.errors import ConfigError
from tests.local_servers import running
from tests.rows import row, rows

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = int(NOW.timestamp() * 1000)
KEY = Fernet.generate_key()


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInfluxDB]:
    """The real one."""
    with running(LocalInfluxDB(tmp_path_factory.mktemp("influxdb"))) as server:
        yield server


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMoto]:
    """The stand-in."""
    with running(LocalMoto(tmp_path_factory.mktemp("moto"))) as server:
        yield server


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 finds them. moto takes any."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv("AWS_DEFAULT_REGION" if name == "region_name" else name.upper(), value)


def bucket_options(server: LocalInfluxDB, bucket: str, retention_days: int = 3650) -> InfluxOptions:
    """A bucket of the real one."""
    return InfluxOptions(
        url=server.url, org=ORG, token=TOKEN, bucket=bucket, retention_days=retention_days, timeout_s=10
    )


def table_options(server: LocalMoto, table: str = "anonymized_transactions") -> TimestreamOptions:
    """A table of the stand-in."""
    return TimestreamOptions(
        region=REGION,
        database="smart_bank",
        table=table,
        partition_dimension="row_token",
        memory_hours=24,
        retention_days=3650,
        timeout_s=10,
        endpoint_url=server.url,
    )


async def test_text_of_any_kind_comes_back_from_influxdb_as_it_was(influxdb: LocalInfluxDB) -> None:
    """Commas, quotes, line feeds and backslashes have a meaning in the line protocol."""
    odd = 'a,b =c"d\\e\nf'
    sink = InfluxSink(bucket_options(influxdb, "odd"))
    await sink.migrate()
    assert not await sink.write(
        [row(1, merchant=odd, merchant_category=odd), row(2, place="", merchant=None)]
    )
    await sink.close()
    bucket = InfluxBucket(bucket_options(influxdb, "odd"))
    of_merchants = 'filter(fn: (r) => r._field == "merchant")'
    answer = await bucket.query(f'from(bucket: "odd") |> range(start: 0) |> {of_merchants}')
    await bucket.close()
    (point,) = csv.DictReader(io.StringIO(answer.strip(), newline=""))
    assert point["_value"].replace("\r\n", "\n") == odd  # so InfluxDB writes line feeds in CSV


async def test_an_address_that_is_none_is_a_setting_to_mend() -> None:
    """Not a store that is away: nobody would wait for it."""
    sink = InfluxSink(
        InfluxOptions(url="influxdb", org=ORG, token=TOKEN, bucket="b", retention_days=1, timeout_s=5)
    )
    with pytest.raises(ConfigError, match="SMARTBANK_INFLUXDB_URL is 'influxdb'"):
        await sink.open()
    await sink.close()


async def test_a_row_that_influxdb_would_drop_for_its_age_is_refused(influxdb: LocalInfluxDB) -> None:
    """And how long a bucket keeps its points follows the setting."""
    sink = InfluxSink(bucket_options(influxdb, "short", retention_days=30))
    assert await sink.migrate() == ["bucket short, which keeps 30 days"]
    shorter = InfluxSink(bucket_options(influxdb, "short", retention_days=7))
    assert await shorter.migrate() == ["bucket short keeps 7 days now"]
    assert await shorter.migrate() == []
    old = row(1, time_from=NOW - timedelta(days=8))
    (refused,) = await shorter.write([old, row(2, time_from=NOW, time_to=NOW + timedelta(hours=1))])
    assert (refused.row_token, refused.reason_code) == (old.row_token, "expired")
    await shorter.close()


async def test_of_many_lines_the_one_that_influxdb_refuses_is_found(influxdb: LocalInfluxDB) -> None:
    """InfluxDB tells of one error a request, and what kind, not which line."""
    bucket = InfluxBucket(bucket_options(influxdb, "conflict"))
    await bucket.migrate()
    lines = [f"m value={n}i {NOW_MS * 1_000_000 + n}" for n in range(100)]
    assert await bucket.take(lines) == {}
    lines[77] = f'm value="text" {NOW_MS * 1_000_000}'
    refused = await bucket.take(lines)
    assert list(refused) == [77]
    assert "type conflict" in refused[77]
    await bucket.close()


async def test_liveanalytics_is_made_with_its_retention_and_called_with_a_hundred_records(
    moto: LocalMoto,
) -> None:
    """Moto keeps records as they came; it knows no versions."""
    sink = TimestreamSink(table_options(moto))
    with pytest.raises(ConfigError, match="stores migrate timestream"):
        await sink.open()
    assert len(await sink.migrate()) == 2
    assert await sink.migrate() == []
    await sink.open()
    spoilt = row(500, amount_to=float("nan"))
    (refused,) = await sink.write([*rows(250), spoilt])
    assert (refused.row_token, refused.reason_code) == (spoilt.row_token, "bad_value")
    await sink.close()
    client = boto3.client("timestream-write", endpoint_url=moto.url, **CREDENTIALS)
    table = client.describe_table(DatabaseName="smart_bank", TableName="anonymized_transactions")["Table"]
    assert table["RetentionProperties"] == {
        "MemoryStoreRetentionPeriodInHours": 24,
        "MagneticStoreRetentionPeriodInDays": 3650,
    }
    assert table["MagneticStoreWriteProperties"] == {"EnableMagneticStoreWrites": True}


async def test_what_amazon_rejects_is_told_row_by_row(
    monkeypatch: pytest.MonkeyPatch, moto: LocalMoto
) -> None:
    """As its documentation has the answer: moto rejects nothing. The calls fit Amazon's own model."""
    client = boto3.client("timestream-write", endpoint_url=moto.url, **CREDENTIALS)
    monkeypatch.setattr("sinks.timestream.connected", lambda *_: client)
    table = TimestreamTable(table_options(moto), lambda: NOW_MS)
    records = [record_of_row(each) for each in rows(3)]
    with Stubber(client) as stub:
        stub.add_client_error(
            "write_records",
            service_error_code="RejectedRecordsException",
            modeled_fields={"RejectedRecords": [{"RecordIndex": 1, "Reason": "type", "ExistingVersion": 2}]},
            expected_params={
                "DatabaseName": "smart_bank",
                "TableName": "anonymized_transactions",
                "CommonAttributes": {"MeasureValueType": "MULTI", "TimeUnit": "MILLISECONDS"},
                "Records": ANY,
            },
        )
        assert await table.take(records) == {1: ("version", "type")}
        for code in ("ThrottlingException", "AccessDeniedException", "ResourceNotFoundException"):
            stub.add_client_error("write_records", service_error_code=code)
            with pytest.raises(StoreAwayError, match=code):
                await table.take(records)
        # A call that breaks a rule is made again by halves, until the one is found: 0 | 1 2 -> 1 | 2.
        for broken in (True, False, True, False, True):
            if broken:
                stub.add_client_error("write_records", service_error_code="ValidationException")
            else:
                stub.add_response("write_records", {})
        assert list(await table.take(records)) == [2]
    await table.close()


def fetched(*arguments: str, **settings: str) -> Result:
    """`timestream fetch` with these settings."""
    result = CliRunner().invoke(cli, ["timestream", "fetch", *arguments], env=settings)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def sealed(device_id: str, **fields: float) -> str:
    """Fields as a device encrypts them."""
    message = {"DeviceId": device_id, "Time": "2026-11-22 18:31:58", **fields}
    token = FieldCipher([KEY]).sealed(message, fields, ["DeviceId", "Time"])["Encrypted"]
    assert isinstance(token, str)
    return token


def test_fetch_from_influxdb_decrypts_and_writes_columns(influxdb: LocalInfluxDB, tmp_path: Path) -> None:
    """In order of time; a token under another device's name stays closed, and is told."""
    key_file = tmp_path / "fields.key"
    key_file.write_bytes(KEY)
    settings = {
        "SMARTBANK_INFLUXDB_URL": influxdb.url,
        "SMARTBANK_INFLUXDB_ORG": ORG,
        "SMARTBANK_INFLUXDB_TOKEN": TOKEN,
        "SMARTBANK_IOT_FIELD_KEYS_FILE": str(key_file),
    }
    plain = Reading(
        device_id="laptop,1", time_ms=NOW_MS - 3000, fields={"Latitude": 37.3, "Longitude": -121.9}
    )
    token = sealed("laptop-2", Latitude=37.4, Longitude=-121.8, Speed=1.5)
    secret = Reading(device_id="laptop-2", time_ms=NOW_MS - 2000, fields={"Encrypted": token})
    stolen = Reading(device_id="laptop-3", time_ms=NOW_MS - 1000, fields={"Encrypted": token})

    async def prepare() -> None:
        store = sensor_store_of(Settings.from_env(settings))
        assert isinstance(store, InfluxBucket)
        await store.migrate()
        assert not await store.take([line_of_reading(each) for each in (stolen, secret, plain)])
        await store.close()

    asyncio.run(prepare())
    result = fetched("--output", str(tmp_path / "out.parquet"), **settings)
    assert "wrote 3 readings" in result.output
    assert "1 readings stay encrypted" in result.output
    columns = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert columns["device_id"] == ["laptop,1", "laptop-2", "laptop-3"]
    assert columns["Latitude"] == [37.3, 37.4, None]
    assert columns["Speed"] == [None, 1.5, None]
    assert columns["time"][1] == NOW - timedelta(seconds=2)
    assert (tmp_path / "out.parquet").stat().st_mode & 0o077 == 0

    fetched("--output", str(tmp_path / "out.csv"), **settings)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [line["Longitude"] for line in csv.DictReader(file)] == ["-121.9", "-121.8", ""]
    assert "laptop-2" in fetched("--since", "1h", **settings).output


def test_fetch_from_liveanalytics_reads_both_forms_of_records(moto: LocalMoto, tmp_path: Path) -> None:
    """Of our Lambda, one a reading, and of the rule's own action, one a field. moto only recites."""
    settings = {
        "SMARTBANK_TIMESTREAM_ENGINE": "liveanalytics",
        "SMARTBANK_TIMESTREAM_ENDPOINT_URL": moto.url,
        "SMARTBANK_TIMESTREAM_REGION": REGION,
    }
    names = ["device_id", "measure_name", "time", "measure_value::double", "Latitude", "Longitude"]
    lines: list[list[str | None]] = [
        ["laptop-1", "location", "2026-11-23 01:00:00.123000000", None, "37.3", "-121.9"],
        ["laptop-2", "Latitude", "2026-11-23 01:00:01.000000000", "37.5", None, None],
        ["laptop-2", "Longitude", "2026-11-23 01:00:01.000000000", "-121.5", None, None],
    ]
    answer = {
        "QueryId": "1",
        "ColumnInfo": [{"Name": name, "Type": {"ScalarType": "VARCHAR"}} for name in names],
        "Rows": [
            {"Data": [{"NullValue": True} if v is None else {"ScalarValue": v} for v in line]}
            for line in lines
        ],
    }
    expected: dict[str, Any] = {"region": REGION, "results": {"null": [answer]}}
    told = urllib.request.Request(  # noqa: S310 (to ourselves)
        f"{moto.url}/moto-api/static/timestream/query-results",
        data=json.dumps(expected).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(told, timeout=10).close()  # noqa: S310
    fetched("--output", str(tmp_path / "out.parquet"), **settings)
    columns = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert columns["device_id"] == ["laptop-1", "laptop-2"]
    assert columns["Latitude"] == [37.3, 37.5]
    assert columns["Longitude"] == [-121.9, -121.5]
    assert columns["time"][0] == datetime(2026, 11, 23, 1, 0, 0, 123000, UTC)


def invoked(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """The Lambda function with an event, as AWS calls it."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    path = PROJECT_DIR / "deploy" / "aws" / "lambda" / "handler.py"
    spec = importlib.util.spec_from_file_location("lambda_handler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.handler(event, None)


def event_of(**changes: Any) -> dict[str, Any]:
    """What deploy/aws/lambda/topic-rule.json selects: fields that a message has not are left out."""
    return {"Latitude": 37.3, "Longitude": -121.9, "device_id": "laptop-9", "time_ms": NOW_MS, **changes}


def test_the_lambda_function_writes_readings_that_fetch_finds(
    influxdb: LocalInfluxDB, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, however often an event comes; an event that is no reading is an error, for Lambda to keep it."""
    settings = {
        "SMARTBANK_INFLUXDB_URL": influxdb.url,
        "SMARTBANK_INFLUXDB_ORG": ORG,
        "SMARTBANK_INFLUXDB_TOKEN": TOKEN,
        "SMARTBANK_INFLUXDB_SENSOR_BUCKET": "from_lambda",
    }
    assert CliRunner().invoke(cli, ["timestream", "migrate"], env=settings).exit_code == 0
    for _ in range(2):
        invoked(event_of(), monkeypatch, **settings)
    for wrong in (event_of(Latitude="37.3"), event_of(device_id=None), {"device_id": "x", "time_ms": NOW_MS}):
        with pytest.raises(
            ValueError, match=r"Latitude is no number|device_id and time_ms|no reading"
        ) as told:
            invoked(wrong, monkeypatch, **settings)
        assert "37.3" not in str(told.value)
    fetched("--output", str(tmp_path / "out.parquet"), **settings)
    (found,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (found["device_id"], found["Latitude"], found["time"]) == ("laptop-9", 37.3, NOW)


def test_the_lambda_function_calls_amazon(moto: LocalMoto, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the other engine; a table that is not there is not the reading's fault."""
    settings = {
        "SMARTBANK_TIMESTREAM_ENGINE": "liveanalytics",
        "SMARTBANK_TIMESTREAM_ENDPOINT_URL": moto.url,
        "SMARTBANK_TIMESTREAM_REGION": REGION,
        "SMARTBANK_TIMESTREAM_SENSOR_TABLE": "from_lambda",
    }
    with pytest.raises(StoreAwayError):
        invoked(event_of(), monkeypatch, **settings)
    assert CliRunner().invoke(cli, ["timestream", "migrate"], env=settings).exit_code == 0
    invoked(event_of(), monkeypatch, **settings)


def test_the_lambda_function_needs_nothing_that_is_not_in_its_zip() -> None:
    """Kafka's client, Faust and pyarrow are not; of app/ what `make lambda` copies is."""
    look = "import handler, sys; print(list(sys.modules))"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{PROJECT_DIR}:{PROJECT_DIR / 'deploy/aws/lambda'}"}
    done = subprocess.run([sys.executable, "-c", look], env=env, capture_output=True, text=True, check=True)
    modules = ast.literal_eval(done.stdout)
    assert not {"aiokafka", "faust", "pyarrow", "rocksdict"} & set(modules)
    makefile = (PROJECT_DIR / "Makefile").read_text()
    for name in modules:
        if name.startswith(("app.", "streaming.")):
            assert f"{name.replace('.', '/')}.py" in makefile
