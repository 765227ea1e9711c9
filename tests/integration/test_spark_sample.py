"""`spark-sample` over what the Parquet sink wrote; without PySpark, which is not locked, a part of it."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from app.cli.spark_sample import spark_sample
from sinks.parquet import ParquetSink
from streaming.errors import ConfigError
from tests.integration.commands import run
from tests.rows import rows


def test_without_pyspark_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on every machine that has only our dependencies."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ConfigError, match="pip install pyspark"):
        spark_sample(input_url="rows")


@pytest.mark.timeout(300)
@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pip install pyspark (450 MB)")
async def test_a_sample_has_so_many_rows_each_of_them_once(tmp_path: Path) -> None:
    """Though some stand in two files, as after a crash."""
    sink = ParquetSink(str(tmp_path / "rows"))
    await sink.migrate()
    await sink.write(rows(200))
    await sink.write(rows(200, start=100))
    output = tmp_path / "sample.jsonl"
    drawn = run(
        {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
        *("spark-sample", "--input", str(tmp_path / "rows"), "--size", "50", "--output", str(output)),
        timeout_s=240,
    )
    assert drawn.returncode == 0, drawn.stderr
    assert f"wrote 50 of 300 rows to {output}" in drawn.stderr
    sampled = [json.loads(line)["row_token"] for line in output.read_text().splitlines()]
    assert len(set(sampled)) == len(sampled) == 50
    assert set(sampled) <= {row.row_token for row in rows(300)}
