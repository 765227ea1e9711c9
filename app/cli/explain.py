"""`python -m app explain TRANSACTION_ID`: why was this decided?"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from app.cli.progress_bar import topic_bar
from app.settings import PREFIX, Settings
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import Progress

    from app.explaining.finding import Finding, Refusal, ShownFix
    from models.decision import Decision

_KAFKA: Final = "kafka"
_COLOURS: Final = {"flagged": "bold red", "cleared": "bold green", "no_location": "bold yellow"}
_OTHERS_SHOWN: Final = 5  # nearest in time; the plot has them all
_FILE_COLUMNS: Final = 160


def explain(
    transaction_id: Annotated[str, typer.Argument(help="As the bank has it.")],
    source: Annotated[
        str, typer.Option("--from", help="kafka, or an event file (.gz too), which is judged again.")
    ] = _KAFKA,
    device: Annotated[
        str | None, typer.Option(help="The device, where it is known: only its partition is read.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Rule to judge a file by. Default: the setting.")
    ] = None,
    plot_path: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw track, reach and transaction: .png, or .html to zoom into."),
    ] = None,
) -> None:
    """Say in words and figures why a transaction was flagged or cleared.

    It shows where the phone was: for people of the restricted zone, like its plots. On Kafka it reads the
    decisions that lie there; it needs no worker and commits nothing. Exit status 1 where there is none.
    """
    from app.broker_client import quiet_client_logs
    from app.explaining.finding import Refusal

    quiet_client_logs()
    for name, given in (("the transaction's id", transaction_id), ("--device", device or "")):
        _check_text(name, given)
    write_plot = None if plot_path is None else _plotter(plot_path)
    if source == _KAFKA:
        if profile is not None:
            raise ConfigError("--profile judges a file; decisions on Kafka say which one they follow")
        found = _on_kafka(Settings.from_env(os.environ), transaction_id, device)
    else:
        env = os.environ | ({f"{PREFIX}PROFILE": profile} if profile else {})
        found = _in_file(Settings.from_env(env), Path(source), transaction_id, device)
    if isinstance(found, Refusal):
        _print_refusal(transaction_id, found)
        if plot_path is not None:
            raise ConfigError(f"{plot_path} is not drawn: there is no verdict")
        return
    _print_finding(found)
    if write_plot is not None:
        write_plot(found)
        _stdout().print(f"drawn: {plot_path}", markup=False)


def _check_text(name: str, given: str) -> None:
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name} is {given!r}, which is no UTF-8: no record can carry it") from None


def _on_kafka(settings: Settings, transaction_id: str, device_id: str | None) -> "Finding | Refusal":
    from app.connection import connection_of
    from app.explaining.on_kafka import find_on_kafka
    from app.topics import topics_of

    with topic_bar("topics") as progress:
        return asyncio.run(
            find_on_kafka(
                connection_of(settings),
                topics_of(settings),
                transaction_id,
                device_id=device_id,
                grace_period_s=settings.grace_period_s,
                max_clock_skew_s=settings.max_clock_skew_s,
                progress=progress,
            )
        )


def _in_file(
    settings: Settings, path: Path, transaction_id: str, device_id: str | None
) -> "Finding | Refusal":
    from app.decoders import input_decoders
    from app.explaining.in_file import find_in_file
    from app.rules import detector_of
    from app.topics import topics_of
    from sources.event_file import read_events

    topics = topics_of(settings)
    with _progress() as bars:
        return find_in_file(
            str(path),
            lambda: bars.track(read_events(path), total=None, description=path.name),
            transaction_id,
            device_id=device_id,
            topics=topics,
            decoders=input_decoders(topics),
            detector=detector_of(settings),
            max_clock_skew_s=settings.max_clock_skew_s,
        )


def _plotter(path: Path) -> "Callable[[Finding], None]":
    """What draws into a file of that name. Raises ConfigError where no such file can be drawn."""
    from app.plots.style import check_plot_path

    check_plot_path(path)

    def write(finding: "Finding") -> None:
        from app.explaining.drawing import drawing_of
        from app.plots.evidence import draw_evidence

        draw_evidence(path, drawing_of(finding))

    return write


def _print_refusal(transaction_id: str, refusal: "Refusal") -> None:
    from detection.words import printable

    _stdout().print(
        f"{printable(transaction_id)}: no verdict. Its record, {refusal.place}, was put aside as"
        f" {refusal.reason_code}: {printable(refusal.reason)}. It lies in the dead letters as it was sent.",
        markup=False,
    )


def _print_finding(finding: "Finding") -> None:
    from detection import words

    decision, console = finding.decision, _stdout()
    console.print(
        Text.assemble(
            f"transaction {words.printable(decision.transaction_id)}: ",
            (words.headline(decision), _COLOURS[decision.verdict]),
        )
    )
    console.print(
        f"device {words.printable(decision.device_id)},"
        f" {decision.transaction_time:%Y-%m-%d %H:%M:%S.%f} UTC,"
        f" at {_place(decision.latitude_deg, decision.longitude_deg)}\n",
        markup=False,
    )
    console.print(words.in_words(decision), style="bold", markup=False)
    for code in decision.reasons:
        console.print(f"- {words.reason_in_words(code)} [{words.printable(code)}]", markup=False)
    console.print(f"{words.stage_in_words(decision)}\n", markup=False)
    figures = words.figures(decision)
    if figures:
        table = Table("", _right(""), "", show_header=False, box=None, pad_edge=False)
        for figure in figures:
            table.add_row(figure.name, figure.amount, Text(figure.meaning, style="dim"))
        console.print(table, "")
    _print_fixes(console, finding.fixes)
    if len(finding.history) > 1:
        console.print(_history(finding.history))


def _print_fixes(console: Console, fixes: "tuple[ShownFix, ...]") -> None:
    others = sorted((each for each in fixes if each.role == "other"), key=lambda each: abs(each.after_s))
    shown = [each for each in fixes if each.role != "other" or each in others[:_OTHERS_SHOWN]]
    table = Table(
        "location",
        _right("Δ time"),
        _right("arrived"),
        "latitude, longitude",
        _right("distance"),
        _right("accuracy"),
        _right("speed"),
        title="Locations of the phone, by time",
        title_justify="left",
    )
    for each in shown:
        fix = each.fix
        table.add_row(
            each.role,
            f"{each.after_s:+,.1f} s",
            "" if each.arrived_after_s is None else f"{each.arrived_after_s:+,.1f} s",
            _place(fix.latitude_deg, fix.longitude_deg),
            f"{each.distance_m:,.1f} m",
            _reading(fix.accuracy_m, "m"),
            _reading(fix.speed_mps, "m/s"),
            style="dim" if each.role == "other" else "",
        )
    if shown:
        console.print(table)
    left = len(fixes) - len(shown)
    if left:
        console.print(f"and {left:,} others within 10 minutes, which --plot draws")
    elif not shown:
        console.print("No location of this phone was found within 10 minutes.")


def _history(history: "tuple[Decision, ...]") -> Table:
    from detection import words

    table = Table(
        _right("revision"),
        "stage",
        "verdict",
        _right("distance"),
        _right("decisive fix"),
        Column("reasons", overflow="fold"),
        title="What was decided, in the order of writing",
        title_justify="left",
    )
    for decision in history:
        table.add_row(
            str(decision.revision),
            decision.stage,
            Text(decision.verdict, style=_COLOURS[decision.verdict]),
            "" if decision.distance_m is None else f"{decision.distance_m:,.1f} m",
            "" if decision.elapsed_s is None else words.apart_in_words(decision.elapsed_s),
            Text(", ".join(decision.reasons)),
        )
    return table


def _stdout() -> Console:
    """Standard output; where it is no terminal, wide enough that no table is cut."""
    console = Console(soft_wrap=True, highlight=False)
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=_FILE_COLUMNS)


def _right(name: str) -> Column:
    return Column(name, justify="right")


def _place(latitude_deg: float, longitude_deg: float) -> str:
    return f"{latitude_deg:.6f}, {longitude_deg:.6f}"


def _reading(amount: float | None, unit: str) -> str:
    """What a phone says of itself; a negative number means that it had no reading."""
    return "unknown" if amount is None or amount < 0 else f"{amount:,.1f} {unit}"


@contextmanager
def _progress() -> "Iterator[Progress]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars
