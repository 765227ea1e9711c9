"""Parquet files in a folder, and on S3, for which moto stands in."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from app.local_services.moto import CREDENTIALS, REGION, LocalMoto
from sinks.base import StoreAwayError
from sinks.parquet import SCHEMA, ParquetSink
from streaming.errors import ConfigError
from tests.local_servers import running
from tests.rows import row, rows


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMoto]:
    """S3's stand-in."""
    with running(LocalMoto(tmp_path_factory.mktemp("moto"))) as server:
        yield server


def s3_url(server: LocalMoto, bucket: str) -> str:
    """A prefix of a bucket there; credentials may stand in the environment instead."""
    key, secret = CREDENTIALS["aws_access_key_id"], CREDENTIALS["aws_secret_access_key"]
    query = f"region={REGION}&scheme=http&endpoint_override=127.0.0.1:{server.port}"
    return f"s3://{key}:{secret}@{bucket}/rows?{query}"


def files_in(folder: Path) -> list[Path]:
    """All of them, half ones too."""
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_rows_lie_by_day_and_come_back_as_they_were(tmp_path: Path) -> None:
    """Read as a data set partitioned by date, with every type as it was."""
    sink = ParquetSink(str(tmp_path))
    await sink.open()
    batch = [
        row(1),
        row(2, merchant=None, usual_place=None),
        row(3, time_from=row(3).time_from - timedelta(days=1)),
    ]
    await sink.write(batch)
    await sink.write(batch)  # again, as after a crash
    assert sorted(file.parent.name for file in files_in(tmp_path)) == ["date=2026-03-31", "date=2026-04-01"]
    found = pq.read_table(tmp_path)
    assert found.schema.field("time_from").type == SCHEMA.field("time_from").type
    seen = {each["row_token"]: each for each in found.to_pylist()}
    assert len(seen) == found.num_rows == 3
    for each in batch:
        for name in SCHEMA.names:
            assert seen[each.row_token][name] == getattr(each, name)


async def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    """A folder that is none; one that goes away while rows are written."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="stores migrate parquet"):
        await ParquetSink(str(tmp_path / "file")).open()
    sink = ParquetSink(str(tmp_path / "rows"))
    await sink.migrate()
    (tmp_path / "rows").rmdir()
    with pytest.raises(StoreAwayError):
        await sink.write([row(1)])
    with pytest.raises(ConfigError, match="SMARTBANK_PARQUET_URL"):
        ParquetSink("nonsense://x")


async def test_the_same_on_s3(moto: LocalMoto) -> None:
    """By its URL; a bucket that is not there is told."""
    boto3.client("s3", endpoint_url=moto.url, **CREDENTIALS).create_bucket(
        Bucket="bank", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    sink = ParquetSink(s3_url(moto, "bank"))
    await sink.migrate()
    await sink.open()
    for _ in range(2):
        await sink.write(rows(50))
    files, root = fs.FileSystem.from_uri(s3_url(moto, "bank"))
    found = pq.read_table(root, filesystem=files)
    assert sorted(found["row_token"].to_pylist()) == [each.row_token for each in rows(50)]
    with pytest.raises(ConfigError, match="no such bucket"):
        await ParquetSink(s3_url(moto, "elsewhere")).open()
