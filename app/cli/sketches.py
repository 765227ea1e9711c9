"""`python -m app sketches accuracy`: are the sketches as good as they promise?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table

from app.settings import Settings

if TYPE_CHECKING:
    from sketches.accuracy import Finding

_WIDTH = 112

sketches_app = typer.Typer(no_args_is_help=True)


@sketches_app.callback()
def sketches() -> None:
    """Sketches: small summaries of streams, with promised errors (docs/sketches.md)."""


@sketches_app.command()
def accuracy(
    input_path: Annotated[
        Path | None,
        typer.Option("--input", help="Event file, .gz too: sketches run over it here, without a broker."),
    ] = None,
    url: Annotated[str, typer.Option(help="A worker of the publisher; without it the one here.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object with all findings.")] = False,
    plot_path: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw errors beside what is promised: .png, or .html to read more."),
    ] = None,
) -> None:
    """Compare every sketch with exact counts of a part of the stream: of a file, or of the running publisher.

    Exit status 1: a sketch is off by more than chance makes it. 3: a worker is away, and the answer lacks its
    partitions.
    """
    if plot_path is not None:
        from app.plots.style import check_plot_path

        check_plot_path(plot_path)
    settings = Settings.from_env(os.environ)
    missing: Sequence[int] = ()
    if input_path is not None:
        findings = _of_file(settings, input_path)
    else:
        findings, missing = _of_publisher(settings, url)
    broken = [finding for finding in findings if finding.broken]
    if as_json:
        shown = [msgspec.structs.asdict(each) | {"ok": not each.broken} for each in findings]
        report: dict[str, Any] = {"sketches": shown, "missing_partitions": missing, "ok": not broken}
        typer.echo(msgspec.json.encode(report).decode())
    else:
        _print(findings)
    if plot_path is not None:
        from app.plots.accuracy import draw_accuracy

        draw_accuracy(plot_path, findings)
        typer.echo(f"drawn: {plot_path}", err=as_json)
    if broken:
        raise typer.Exit(1)
    if missing:
        Console(stderr=True).print(f"a worker is away: partition {', '.join(map(str, missing))} is missing")
        raise typer.Exit(3)


def _of_file(settings: Settings, path: Path) -> "list[Finding]":
    from app.decoders import input_decoders
    from app.profiles import profile_of
    from app.rules import detector_of
    from app.sketch_book import book_of
    from app.sketch_rehearsal import rehearse
    from app.token_keys import token_keys_of
    from app.topics import topics_of
    from sketches.accuracy import worst
    from sources.event_file import read_events
    from streaming.garbage import collect_less_often

    collect_less_often()
    desk = rehearse(
        read_events(path),
        input_decoders(topics_of(settings)),
        detector_of(settings, profile_of(settings, settings.profile)),
        settings.max_clock_skew_s,
        book_of(settings, token_keys_of(settings)),
    )
    return worst(desk.findings())


def _of_publisher(settings: Settings, url: str) -> "tuple[list[Finding], Sequence[int]]":
    from app.asking import ask, publisher_url
    from sketches.accuracy import Finding

    answer = ask(url or publisher_url(settings), "accuracy", {})
    return msgspec.convert(answer["answer"], list[Finding]), answer["missing_partitions"]


def _print(findings: "Sequence[Finding]") -> None:
    heads = ("sketch", "exact", "estimate", "error", "promised", "ok")
    columns = [
        Column(head, no_wrap=True, justify="right" if 0 < at < 5 else "left") for at, head in enumerate(heads)
    ]
    table = Table(*columns, "what", box=None, padding=(0, 2, 0, 0))
    for finding in findings:
        table.add_row(
            finding.sketch,
            f"{finding.exact:,.6g}",
            f"{finding.estimate:,.6g}",
            f"{finding.error:.3%}",
            f"{finding.bound:.3%}",
            "no" if finding.broken else "yes",
            finding.what,
        )
    console = Console(width=max(Console().width, _WIDTH))
    console.print(table)
    for finding in findings:
        if finding.broken:
            console.print(f"{finding.sketch}: {finding.broken}", style="red")
    if not findings:
        console.print("nothing to compare: no transaction was seen yet")
