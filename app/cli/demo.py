"""`python -m app demo`: all of it in one command."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from app.topics import Topics
    from models.flagged_transaction import FlaggedTransaction
    from sources.event_file import Event

_PURCHASES_PER_S = 2.0
_CUSTOMERS = 40
_FRAUD_SHARE = 0.25


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="How long the simulated stream lasts.")] = 30.0,
    input_path: Annotated[
        Path | None, typer.Option("--input", help="Event file to send at full speed, instead of simulating.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
) -> None:
    """Start a broker, detector, publisher and a stream of purchases; show what is flagged and why.

    Ends with the books, and with everything stopped that it started; Ctrl-C ends the stream early. Exit
    status 1 where the books do not balance.
    """
    from app.broker_client import quiet_client_logs
    from app.cli.query import show_answer
    from app.cli.reconcile import print_report
    from app.demo import play, published, stage
    from app.inputs import survey, targets_of
    from app.settings import Settings
    from app.topics import topics_of
    from sources.files.forms import InputFile

    quiet_client_logs()
    console = Console(soft_wrap=True, highlight=False)
    started_s = time.monotonic()

    def say(doing: str) -> None:
        console.print(f"[dim]{time.monotonic() - started_s:5.1f} s[/dim]  {doing}")

    if input_path is not None:
        topics = topics_of(Settings())
        event_file = InputFile(path=input_path, form="events", targets=targets_of(topics))
        survey([event_file], {topic.name for topic in topics.all}, now_ms=time.time_ns() // 1_000_000)
    with stage(say) as on:
        events = _simulated(on.topics, seconds, seed) if input_path is None else _of_file(input_path)
        say(f"phones report, cards are used; verdicts are final after {on.settings.grace_period_s:g} s here:")

        def show(flagged: "FlaggedTransaction") -> None:
            console.print(_told(flagged))

        report = asyncio.run(play(on, events, speed=None if input_path else 1.0, on_flagged=show))
        say("the stream has ended and everything in it is decided; the books:")
        balances = report.balances(complete=True)
        print_report(report, balances=balances, complete=True)
        say("and what the publisher answers to `query flagged`, by its sketches:")
        show_answer(console, published(on)["answer"])
        if not balances:
            raise typer.Exit(1)  # an error for the stage, too: it keeps the logs
    say("everything that was started is stopped")


def _simulated(topics: "Topics", seconds: float, seed: int) -> "Iterator[Event]":
    """Phones and purchases from now on, a quarter of them fraud: something must be seen."""
    from sources.simulation.scenario import Scenario
    from sources.simulation.simulator import simulate

    scenario = Scenario(
        seed=seed,
        start_time_ms=int(time.time() * 1000),
        duration_s=seconds,
        customers=_CUSTOMERS,
        transactions_per_s=_PURCHASES_PER_S,
        fraud_share=_FRAUD_SHARE,
        card_testing_share=0.0,  # a wave would be all that is seen
    )
    made = simulate(
        scenario, location_topic=topics.location_data.name, transaction_topic=topics.transaction_data.name
    )
    return (each.event for each in made)


def _of_file(path: Path) -> "Iterator[Event]":
    from sources.event_file import read_events

    return read_events(path)


def _told(flagged: "FlaggedTransaction") -> Text:
    """One line for people: what, where from, and why."""
    moment = f"{flagged.transaction_time:%H:%M:%S}"
    what = f"{flagged.amount:9,.2f} at {flagged.merchant or 'an unnamed shop'}"
    return Text.assemble(
        (f"{moment}  ", "dim"),
        (f"{flagged.event.upper():9}", "bold red" if flagged.verdict == "flagged" else "bold green"),
        f"  card …{flagged.card_last4 or '????'} {what:34.34s} {_why(flagged)}",
    )


def _why(flagged: "FlaggedTransaction") -> str:
    """The evidence in words."""
    if flagged.distance_m is None or flagged.elapsed_s is None or flagged.implied_speed_mps is None:
        return ", ".join(flagged.reasons)
    side = "before" if flagged.elapsed_s >= 0 else "after"
    away = f"phone {_distance(flagged.distance_m)} away {abs(flagged.elapsed_s):.1f} s {side}"
    if flagged.possible_m is not None:
        return f"{away}, {_distance(flagged.possible_m)} possible"
    return f"{away}: {flagged.implied_speed_mps:,.1f} m/s, {flagged.allowed_speed_mps or 0:.1f} allowed"


def _distance(distance_m: float) -> str:
    return f"{distance_m:.0f} m" if distance_m < 1000 else f"{distance_m / 1000:,.1f} km"
