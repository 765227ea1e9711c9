"""The command line: one file a command; here they come together and errors become one line."""

import sys

import typer
from rich.console import Console

from app.cli.anonymize import anonymize
from app.cli.bridge import bridge
from app.cli.choose_k import choose_k
from app.cli.dashboard import dashboard
from app.cli.dead_letters import dead_letters_app
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.explain import explain
from app.cli.gateway import gateway
from app.cli.kafka import kafka_app
from app.cli.keys import keys_app
from app.cli.notify import notify
from app.cli.privacy import privacy_app
from app.cli.produce import produce
from app.cli.profiles import profiles
from app.cli.query import query
from app.cli.reconcile import reconcile
from app.cli.replay import replay
from app.cli.reveal import reveal
from app.cli.schemas import schemas
from app.cli.settings import settings
from app.cli.simulate import simulate
from app.cli.sketches import sketches_app
from app.cli.spark_sample import spark_sample
from app.cli.stores import stores_app
from app.cli.tail import tail
from app.cli.timestream import timestream_app
from app.cli.topics import topics_app
from app.cli.worker import worker_app
from streaming.errors import PipelineError

cli = typer.Typer(
    name="app",
    help="Smart Bank Streams: could the customer's phone have been where the card was used?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables: secrets and card numbers
)
cli.add_typer(kafka_app, name="kafka", help="A local Apache Kafka, without Docker.")
cli.add_typer(worker_app, name="worker", help="Workers of the Faust apps.")
cli.add_typer(topics_app, name="topics")
cli.add_typer(sketches_app, name="sketches")
cli.add_typer(keys_app, name="keys")
cli.add_typer(timestream_app, name="timestream", help="The sensor database of workflow 1.")
cli.add_typer(stores_app, name="stores")
cli.add_typer(dead_letters_app, name="dead-letters", help="Rows that a store refused.")
cli.add_typer(privacy_app, name="privacy")
for command in (
    demo,
    gateway,
    dashboard,
    simulate,
    bridge,
    notify,
    produce,
    replay,
    anonymize,
    choose_k,
    explain,
    tail,
    query,
    reveal,
    reconcile,
    doctor,
    settings,
    profiles,
    schemas,
    spark_sample,
):
    cli.command()(command)


def main() -> None:
    """Run the command line. Errors that we raise ourselves end it with one line and exit status 1."""
    try:
        cli(prog_name="python -m app")
    except PipelineError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
