"""`python -m app kafka start|stop|status`: the broker of this machine (app/local_broker/local_kafka.py)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from app.local_broker.config import plain_broker
from app.local_broker.local_kafka import DEFAULT_DATA_DIR, LocalKafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_NOT_RUNNING: Final = 3  # as `systemctl status` has it

kafka_app = typer.Typer(no_args_is_help=True, help="A Kafka broker on this machine, without Docker.")

DataDir = Annotated[Path, typer.Option(help="Where the broker's files lie.", show_default=".run/kafka")]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Default: the port it had before, else 9092, else a free one."),
]


@kafka_app.command()
def start(port: Port = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Start the broker and wait until it answers; one that runs already is left alone."""
    began_s = time.monotonic()
    with _spinner() as progress:
        broker = LocalKafka(data_dir, plain_broker(port), progress=progress)
        started = broker.start()
    if started.was_running:
        typer.echo(f"Kafka runs already at {started.address} (pid {started.pid})")
    else:
        elapsed_s = time.monotonic() - began_s
        typer.echo(
            f"Kafka runs at {started.address} (pid {started.pid}, {elapsed_s:.1f} s, log {broker.log_path})"
        )
    if data_dir != DEFAULT_DATA_DIR:
        typer.echo(f"for other commands: export SMARTBANK_KAFKA_BOOTSTRAP={started.address}")


@kafka_app.command()
def stop(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop the broker and wait until it is gone; its data stay."""
    with _spinner() as progress:
        progress("stopping the broker")
        outcome = LocalKafka(data_dir).stop()
    typer.echo(
        {
            "stopped": "Kafka is stopped",
            "killed": "Kafka did not stop in time and was killed",
            "not running": "Kafka was not running",
        }[outcome]
    )


@kafka_app.command()
def status(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Say whether the broker runs. Exit status 0: it runs; 3: it does not, or does not answer."""
    seen = LocalKafka(data_dir).status()
    if seen.is_answering:
        typer.echo(f"Kafka runs at {seen.address} (pid {seen.pid})")
        return
    typer.echo("Kafka is not running" if seen.pid is None else f"Kafka (pid {seen.pid}) does not answer")
    raise typer.Exit(EXIT_NOT_RUNNING)


@contextmanager
def _spinner() -> Iterator[Callable[[str], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _doing: None
        return
    with console.status("") as shown:
        yield shown.update
