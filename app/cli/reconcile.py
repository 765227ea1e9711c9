"""`python -m app reconcile`: do the books balance?"""

import asyncio
import os
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from app.cli.progress_bar import topic_bar
from app.settings import Settings
from app.topics import topics_of

if TYPE_CHECKING:
    from app.books.accounting import Report


def reconcile(
    complete: Annotated[
        bool, typer.Option("--complete", help="Nothing may be unread or open either.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Prove that everything the detector has read is accounted for; exit status 1 where it is not.

    Every input record before the group's committed offset must be a decided transaction, a repeat of one,
    a location in the state, a dead letter, or re-keyed. A worker may run meanwhile.
    """
    from app.broker_client import quiet_client_logs

    quiet_client_logs()
    report = asyncio.run(_reconcile(Settings.from_env(os.environ)))
    balances = report.balances(complete=complete)
    if as_json:
        typer.echo(
            msgspec.json.encode({**_as_dict(report), "complete": complete, "balances": balances}).decode()
        )
    else:
        print_report(report, balances=balances, complete=complete)
    if not balances:
        raise typer.Exit(1)


async def _reconcile(settings: Settings) -> "Report":
    from app.books.reading import reconcile as read_and_reconcile
    from app.connection import connection_of

    with topic_bar("committed offsets") as progress:
        return await read_and_reconcile(
            connection_of(settings), topics_of(settings), group_id=settings.app_id, progress=progress
        )


def _as_dict(report: "Report") -> dict[str, Any]:
    return {
        "topics": {topic: asdict(tally) for topic, tally in report.tallies.items()},
        "total": asdict(report.total),
        "missing": report.missing,
        "unexplained_total": report.unexplained_total,
        "unexplained": report.unexplained,
        "objections": report.objections,
        "notes": report.notes,
    }


def print_report(report: "Report", *, balances: bool, complete: bool) -> None:
    """Show the books as a table, and what is wrong with them."""
    Console().print(_table(report))
    console = Console(soft_wrap=True, highlight=False)
    for note in report.notes:
        console.print(note, markup=False)
    _print_problems(console, "missing", report.missing, report.total.missing)
    _print_problems(console, "unexplained", report.unexplained, report.unexplained_total)
    for objection in report.objections:
        console.print(objection, style="red", markup=False)
    unread, still_open = report.total.not_yet_read, report.total.open
    if complete and (unread or still_open):
        console.print(f"not complete: {unread:,} not yet read, {still_open:,} open", style="red")
    verdict, colour = ("books balance", "green") if balances else ("books do NOT balance", "red")
    console.print(verdict, style=f"bold {colour}")


def _table(report: "Report") -> Table:
    """A column for each input that holds anything; what stands below `records` adds up to it.

    Kinds of which there is none are left out, but `missing` never; `expired` stands apart.
    """
    shown = {name: tally for name, tally in report.tallies.items() if tally.records or tally.expired}
    table = Table(Column(""))
    for name in (*shown, "sum"):
        table.add_column(name, justify="right", overflow="fold")
    for row in fields(report.total):
        counts = [getattr(tally, row.name) for tally in (*shown.values(), report.total)]
        if any(counts) or row.name in ("records", "missing"):
            is_last_of_a_part = row.name in ("records", "missing")
            table.add_row(
                row.name.replace("_", " "), *(f"{n:,}" for n in counts), end_section=is_last_of_a_part
            )
    return table


def _print_problems(console: Console, kind: str, shown: tuple[str, ...], count: int) -> None:
    for problem in shown:
        console.print(f"{kind}: {problem}", style="red", markup=False, highlight=False)
    if count > len(shown):
        console.print(f"… {count:,} {kind} in all", style="red")
