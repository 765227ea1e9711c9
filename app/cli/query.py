"""`python -m app query QUESTION`: ask the publisher."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from app.settings import Settings
from streaming.errors import ConfigError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def query(
    question: Annotated[str, typer.Argument(help="What to ask; without it: what can be asked.")] = "",
    window: Annotated[str | None, typer.Option(help="Length of the windows: 15m, 1h, 1d.")] = None,
    every: Annotated[
        str | None, typer.Option(help="Step from window to window; shorter than a window: they overlap.")
    ] = None,
    windows: Annotated[int | None, typer.Option(min=1, help="So many of the latest.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="So many of each list.")] = None,
    url: Annotated[str, typer.Option(help="A worker of the publisher; without it the one here.")] = "",
    plot: Annotated[Path | None, typer.Option(help="clusters: draw them into a .png or .html file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON.")] = False,
) -> None:
    """Ask any worker of the publisher: it gathers from all of them.

    Exit status 3: a worker is away, and the answer lacks its partitions.
    """
    from app.asking import ask, publisher_url
    from sketches.questions import QUESTIONS

    if not question:
        table = Table("question", "answers")
        for each in QUESTIONS.values():
            table.add_row(each.name, each.doc)
        Console().print(table)
        return
    asked = {
        "window_s": None if window is None else str(_seconds(window)),
        "every_s": None if every is None else str(_seconds(every)),
        "windows": windows and str(windows),
        "top": top and str(top),
    }
    params = {name: value for name, value in asked.items() if value}
    answer = ask(url or publisher_url(Settings.from_env(os.environ)), question, params)
    if plot is not None:
        from app.plots.clusters import draw_clusters

        if question != "clusters":
            raise ConfigError("--plot draws clusters: `query clusters --plot FILE`")
        draw_clusters(plot, answer["answer"])
        typer.echo(f"drawn: {plot}")
    elif as_json:
        typer.echo(msgspec.json.encode(answer).decode())
    else:
        show_answer(Console(), answer["answer"])
    if not answer["complete"]:
        missing = ", ".join(map(str, answer["missing_partitions"]))
        Console(stderr=True).print(f"a worker is away: partition {missing} is missing", style="yellow")
        raise typer.Exit(3)


def _seconds(text: str) -> int:
    """Read 90s, 15m, 2h or 1d."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if match is None:
        raise ConfigError(f"{text!r} is no length of time: wanted 30s, 15m, 2h or 1d")
    return int(match[1]) * _UNITS_S[match[2]]


def show_answer(console: Console, answer: Any, title: str | None = None) -> None:
    """Lists of objects as tables, objects as tables of two columns, one below the other."""
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], dict):
        show_answer(console, {name: _cell(value) for name, value in answer[0].items()}, title)
    elif isinstance(answer, list) and answer and isinstance(answer[0], dict):
        table = Table(*answer[0], title=title, title_justify="left")
        for row in answer:
            table.add_row(*map(_cell, row.values()))
        console.print(table)
    elif isinstance(answer, dict):
        plain = {name: part for name, part in answer.items() if not _is_table(part)}
        if plain:
            table = Table(title=title, title_justify="left", show_header=False)
            for name, part in plain.items():
                table.add_row(name, _cell(part))
            console.print(table)
        for name, part in answer.items():
            if _is_table(part):
                show_answer(console, _rows(part), name)
    else:
        console.print(f"{title}: {_cell(answer)}" if title else _cell(answer), markup=False)


def _is_table(part: Any) -> bool:
    return bool(part) and (isinstance(part, dict) or (isinstance(part, list) and isinstance(part[0], dict)))


def _rows(part: Any) -> Any:
    """An object of objects as a list of them, each with its name."""
    if isinstance(part, dict) and all(isinstance(each, Mapping) for each in part.values()):
        return [{"": name, **each} for name, each in part.items()]
    return part


def _cell(value: Any) -> str:
    if isinstance(value, dict):  # counts, the greatest first
        return next((f"{name} ({count:,})" for name, count in value.items()), "")
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value).removesuffix(":00+00:00").replace("T", " ")
