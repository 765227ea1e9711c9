"""`python -m app spark-sample`: a uniform sample of the Parquet files, drawn by Spark."""

import os
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from streaming.errors import ConfigError

_MOST_ROW_BYTES = 65_536


def spark_sample(
    input_url: Annotated[
        str,
        typer.Option(
            "--input", help="Folder of Parquet files, as SMARTBANK_PARQUET_URL; or what Spark reads."
        ),
    ],
    size: Annotated[int, typer.Option(min=1, help="Rows of the sample.")] = 1000,
    seed: Annotated[
        int | None, typer.Option(help="Equal seeds, files and partitions give equal samples.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="JSON lines; default: standard output.")] = None,
) -> None:
    """Draw a sample of the rows: each partition fills a reservoir, and these are merged.

    A row that stands in two files is taken once. Needs PySpark (pip install pyspark) and Java 17.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise ConfigError("there is no PySpark: pip install pyspark; it needs Java 17 or newer") from None
    from sketches.reservoir import Reservoir

    first_seed = random.SystemRandom().getrandbits(32) if seed is None else seed

    def fill(number: int, rows: Iterable[str]) -> Iterator[bytes]:
        """A partition's reservoir. With a seed of its own, or all would keep the same places."""
        reservoir = Reservoir(size, item_bytes=_MOST_ROW_BYTES, seed=first_seed + number)
        for row in rows:
            reservoir.update(row.encode())
        yield reservoir.to_bytes()

    def merge(one: bytes, other: bytes) -> bytes:
        merged = Reservoir.from_bytes(one)
        merged.merge(Reservoir.from_bytes(other))
        return merged.to_bytes()

    # Not the first python3 of the PATH, which has none of our packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark: Any = SparkSession.builder.appName("smart-bank-sample").getOrCreate()
    try:
        rows = spark.read.parquet(input_url).dropDuplicates(["row_token"]).toJSON()
        sample = Reservoir.from_bytes(rows.mapPartitionsWithIndex(fill).reduce(merge))
    finally:
        spark.stop()
    text = "".join(f"{row.decode()}\n" for row in sample.sample)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text)
        typer.echo(f"wrote {len(sample.sample):,} of {sample.seen:,} rows to {output}", err=True)
