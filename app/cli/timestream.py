"""`python -m app timestream migrate|fetch`: the sensor database of workflow 1."""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.tail import since_time_ms
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from sinks.sensor_database import Columns

timestream_app = typer.Typer(no_args_is_help=True)


@timestream_app.command()
def migrate() -> None:
    """Make the bucket or table of the sensors' readings, or set how long it keeps them."""
    from app.sensor_database import sensor_store_of
    from app.settings import Settings

    for step in asyncio.run(sensor_store_of(Settings.from_env(os.environ)).migrate()):
        typer.echo(f"done     {step}")
    typer.echo("the sensor database is up to date")


@timestream_app.command()
def fetch(
    since: Annotated[str, typer.Option(help="An age such as 15m, or a time in ISO 8601.")] = "1d",
    until: Annotated[str | None, typer.Option(help="The same; default: now.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .parquet; default: a table here.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the table: the last ones.")] = 20,
) -> None:
    """Read the sensors' readings in columns, and decrypt what devices encrypted.

    Restricted: it shows where people were. Keys: SMARTBANK_IOT_FIELD_KEYS_FILE; what no key opens is counted
    and stays empty.
    """
    from app.iot import field_cipher_of
    from app.sensor_database import readings_of
    from app.settings import Settings
    from sinks.sensor_database import columns_of

    if output is not None and output.suffix not in {".csv", ".parquet"}:
        raise ConfigError(f"--output {output}: its name must end in .csv or .parquet")
    now = datetime.now(UTC)
    since_ms = since_time_ms(since, now)
    until_ms = since_time_ms(until, now) if until else int(now.timestamp() * 1000) + 1
    settings = Settings.from_env(os.environ)
    readings = asyncio.run(readings_of(settings, since_ms, until_ms))
    columns, unreadable = columns_of(
        readings, field_cipher_of(settings) if settings.iot_field_keys_file else None
    )
    for reason, count in unreadable.items():
        typer.echo(f"{count:,} readings stay encrypted: {reason}", err=True)
    if output is None:
        _print(columns, rows)
    else:
        _write(columns, output)
        typer.echo(f"wrote {len(readings):,} readings to {output}")


def _print(columns: "Columns", most_rows: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    lines = list(zip(*columns.values(), strict=True))
    for line in lines[-most_rows:]:
        table.add_row(*("" if value is None else str(value) for value in line))
    Console().print(table)
    if len(lines) > most_rows:
        typer.echo(f"the last {most_rows} of {len(lines):,}; --output FILE writes all")


def _write(columns: Mapping[str, list[Any]], path: Path) -> None:
    """Write a file that its owner alone can read, at once: half of one is never seen."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    numbers = {name: pa.float64() for name in columns}
    kinds = {**numbers, "device_id": pa.string(), "time": pa.timestamp("ms", "UTC")}
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
    half = path.with_name(f".{path.name}.half")
    half.unlink(missing_ok=True)
    try:
        half.touch(mode=0o600, exist_ok=False)
        if path.suffix == ".csv":
            csv.write_csv(table, half)
        else:
            parquet.write_table(table, half)
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"--output {path}: {error.strerror or error}") from error
