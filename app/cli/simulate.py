"""`python -m app simulate`: phones and purchases with known truth, to Kafka or into a file."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli.produce import check_speed
from app.cli.progress_bar import progress_bar
from app.settings import Settings
from app.topics import topics_of
from sources.event_file import Event, write_events
from sources.iot.readings import Enrichment
from sources.labels import LabelWriter
from sources.simulation.scenario import LAST_ARRIVAL_MS, Scenario, Simulated
from streaming.errors import ConfigError


class Source(StrEnum):
    """How locations are sent."""

    KAFKA = "kafka"
    MQTT = "mqtt"


def per_second(rate: str | float) -> float:
    """Read a rate: 20 or 20/s; typer sends the default, a number, through here as well."""
    return float(str(rate).removesuffix("/s"))


def simulate(
    rate: Annotated[
        float,
        typer.Option(
            parser=per_second,
            metavar="N/s",
            help="Transactions per second. On top: a location of each customer every 5 s or so.",
        ),
    ] = 5.0,
    seconds: Annotated[float, typer.Option(help="How much time is simulated.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Equal seeds and starts give equal events.")] = 1,
    customers: Annotated[
        int, typer.Option("--customers", "--devices", help="Each has a phone that reports.")
    ] = 100,
    fraud_share: Annotated[float, typer.Option(help="Of the transactions; from 0 to 1.")] = 0.05,
    card_testing_share: Annotated[
        float, typer.Option(help="Of the transactions, in waves of 20 to 40 cards.")
    ] = 0.01,
    by_hour: Annotated[
        bool, typer.Option("--by-hour", help="The rate follows San Jose's day; --rate is its mean.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Event file to write, instead of Kafka.")] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV file to write: the truth by transaction.")] = None,
    speed: Annotated[float | None, typer.Option(help="Times real time. To Kafka only.")] = None,
    start: Annotated[
        str | None, typer.Option(help="First time, ISO 8601. With --output only, which ends now by default.")
    ] = None,
    source: Annotated[
        Source, typer.Option(help="Where locations come from; mqtt: sensors that publish to AWS IoT Core.")
    ] = Source.KAFKA,
    fake_share: Annotated[
        float, typer.Option(help="mqtt: made-up readings on top, as a share of the true ones.")
    ] = 0.0,
    noise_m: Annotated[float, typer.Option(help="mqtt: what is added to each place, 1 sigma.")] = 0.0,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="mqtt: with the first key of SMARTBANK_IOT_FIELD_KEYS_FILE.")
    ] = False,
) -> None:
    """Simulate a bank in San Jose: customers with phones, honest purchases and fraud.

    Without --output the events go to Kafka as they happen, with times of now; with --speed above 1, with
    times that lie in the past and catch up with the clock at the end. With --output they go into a file at
    once. With --source mqtt locations are published by MQTT (docs/iot.md), where `bridge` takes them up.
    """
    from sources.simulation.simulator import simulate as simulated_events
    from streaming.garbage import collect_less_often

    settings = Settings.from_env(os.environ)
    topics, now_s = topics_of(settings), time.time()
    scenario = Scenario(
        seed=seed,
        start_time_ms=_start_ms(now_s, seconds, start, speed, has_output=output is not None),
        duration_s=seconds,
        customers=customers,
        transactions_per_s=rate,
        fraud_share=fraud_share,
        card_testing_share=card_testing_share,
        by_hour=by_hour,
    )
    made = simulated_events(
        scenario, location_topic=topics.location_data.name, transaction_topic=topics.transaction_data.name
    )
    collect_less_often()
    tally: Counter[str] = Counter()
    with ExitStack() as stack:
        label_writer = stack.enter_context(LabelWriter(labels)) if labels else None
        show = stack.enter_context(progress_bar(seconds, "s"))
        events = _noted(made, tally, label_writer, lambda ms: show((ms - scenario.start_time_ms) / 1000))
        if source is Source.MQTT:
            if output is not None:
                raise ConfigError("--source mqtt publishes: it writes no --output")
            how = Enrichment(seed=seed, fake_share=fake_share, noise_m=noise_m)
            status = _publish(settings, events, speed or 1.0, how, encrypt=encrypt)
        else:
            if fake_share or noise_m or encrypt:
                raise ConfigError("--fake-share, --noise-m and --encrypt are for sensors: add --source mqtt")
            status = _deliver(settings, events, output, speed or 1.0)
    typer.echo(_told(tally, time.time() - now_s))
    if status:
        raise typer.Exit(status)


def _start_ms(
    now_s: float, seconds: float, start: str | None, speed: float | None, *, has_output: bool
) -> int:
    """When the simulated time begins, in ms since the epoch: so that none of it lies in the future."""
    check_speed(speed)
    if start is not None and not has_output:
        raise ConfigError("--start needs --output: what goes to Kafka has times of now")
    if speed is not None and has_output:
        raise ConfigError("--speed is for Kafka: a file is written at once (`produce --speed` sends it so)")
    if start is None:
        whole_s = seconds + LAST_ARRIVAL_MS / 1000
        ahead_s = whole_s if has_output else whole_s * max(0.0, 1 - 1 / (speed or 1.0))
        return max(0, int(now_s - ahead_s)) * 1000
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise ConfigError(f"--start is {start!r}; it must be a time in ISO 8601") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _noted(
    made: Iterable[Simulated],
    tally: Counter[str],
    label_writer: LabelWriter | None,
    show_time_ms: Callable[[int], None],
) -> Iterator[Event]:
    """Pass the events on; count them by kind and category and write their labels."""
    for number, simulated in enumerate(made):
        tally[simulated.kind] += 1
        if label := simulated.label:
            tally[label.category] += 1
            if label_writer:
                label_writer.write(label)
        if number % 100 == 0:
            show_time_ms(simulated.event.arrival_ms)
        yield simulated.event


def _deliver(settings: Settings, events: Iterator[Event], output: Path | None, speed: float) -> int:
    """Write or send; return the exit status: 130 where Ctrl-C ended it early."""
    try:
        if output is not None:
            write_events(output, events)
        else:
            from app.broker_client import quiet_client_logs
            from app.connection import connection_of
            from app.producing import produce_events

            quiet_client_logs()
            asyncio.run(produce_events(connection_of(settings), events, speed=speed))
    except KeyboardInterrupt:
        return 130
    return 0


def _publish(
    settings: Settings, events: Iterator[Event], speed: float, how: Enrichment, *, encrypt: bool
) -> int:
    """Play sensors; return the exit status: 1 where the broker refused something, 130 at Ctrl-C."""
    from app.broker_client import quiet_client_logs
    from app.sensors import play_sensors

    quiet_client_logs()
    try:
        counts = asyncio.run(play_sensors(settings, events, speed=speed, enrichment=how, encrypt=encrypt))
    except KeyboardInterrupt:
        return 130
    typer.echo(
        f"published: {counts['accepted']:,} accepted, {counts['unheard']:,} that nobody is subscribed to,"
        f" {counts['refused']:,} refused; {counts['made up']:,} of them made up;"
        f" {counts['to Kafka']:,} others to Kafka"
    )
    return 1 if counts["refused"] else 0


def _told(tally: Counter[str], elapsed_s: float) -> str:
    kinds = {kind: tally.pop(kind, 0) for kind in ("location", "transaction", "repeat", "malformed")}
    by_category = ", ".join(f"{category} {count:,}" for category, count in sorted(tally.items())) or "none"
    total = sum(kinds.values())
    return (
        f"{total:,} events in {elapsed_s:.1f} s ({total / max(elapsed_s, 1e-3):,.0f}/s):"
        f" {kinds['location']:,} locations, {kinds['transaction']:,} transactions ({by_category}),"
        f" {kinds['repeat']:,} repeats, {kinds['malformed']:,} malformed"
    )
