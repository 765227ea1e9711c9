"""`python -m app choose-k`: how many people should a group have?"""

import os
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from app.cli.progress_bar import record_bar
from app.settings import PREFIX, Settings
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from app.anonymity.choosing import Point
    from privacy.anonymity.risk import Model
    from privacy.anonymity.row import Row

_VARIABLE: Final = f"{PREFIX}ANONYMITY_K"


def choose_k(
    input_path: Annotated[
        Path, typer.Option("--input", help="Event file; .gz too. kafka: what was decided.")
    ],
    score: Annotated[
        Literal["prosecutor", "journalist", "marketer", "silhouette"],
        typer.Option(help="What privacy is measured by (docs/privacy.md)."),
    ] = "marketer",
    l: Annotated[  # noqa: E741
        int | None, typer.Option("--l", min=1, help="Different merchants of a group. Default: the setting.")
    ] = None,
    delta: Annotated[
        int | None, typer.Option(min=1, help="Rows that a row may wait for. Default: the setting.")
    ] = None,
    most: Annotated[int, typer.Option(min=4, help="Greatest k that is tried.")] = 50,
    most_rows: Annotated[
        int, typer.Option("--rows", min=1, help="Final decisions that are looked at, the first ones.")
    ] = 20_000,
    plot_paths: Annotated[
        list[Path] | None, typer.Option("--plot", help="Draw the curves: .png or .html; twice for both.")
    ] = None,
    write_path: Annotated[
        Path | None,
        typer.Option("--write", help=f"File of environment variables that gets {_VARIABLE}=k, the knee."),
    ] = None,
) -> None:
    """Anonymize the records of a file with one k after another; print, and draw, what each gains and costs.

    Names the knee, where a greater k begins to cost more information than it gains privacy.
    """
    from app.anonymity.choosing import knee_of, points_of
    from app.anonymity.reading import hierarchies_of, target_of
    from app.plots.privacy import draw_curves
    from app.plots.style import check_plot_path

    for path in plot_paths or ():
        check_plot_path(path)
    settings = Settings.from_env(os.environ)
    target = target_of(settings, k=2, l=l, delta=delta)
    rows = _rows(input_path, settings, most_rows)
    points = list(points_of(rows, hierarchies_of(settings), target, min(most, target.delta)))
    try:
        knee = knee_of(points, score)
    except ValueError as error:
        raise ConfigError(f"{input_path}: {len(rows):,} rows, {len(points)} values of k: {error}") from None
    typer.echo(_table(points, knee, score))
    for path in plot_paths or ():
        draw_curves(path, points, score, knee)
        typer.echo(f"drawn: {path}")
    if write_path is not None:
        _write_setting(write_path, knee.k)
        typer.echo(
            f"written: {_VARIABLE}={knee.k} to {write_path}, for processes that start with it from now on"
        )


def _rows(path: Path, settings: Settings, most: int) -> "list[Row]":
    if path == Path("kafka"):
        from app.anonymity.on_kafka import final_rows
        from app.broker_client import quiet_client_logs

        quiet_client_logs()
        return final_rows(settings, most)
    from app.anonymity.offline import judged_rows, with_token_key
    from sources.event_file import read_events
    from streaming.garbage import collect_less_often

    collect_less_often()
    with with_token_key(settings) as keyed, record_bar() as bar:
        events = bar.track(read_events(path), total=None)
        return list(islice(judged_rows(events, keyed, lambda _letter: None), most))


def _table(points: "Sequence[Point]", knee: "Point", model: "Model") -> str:
    lines = [f"{'k':>4}  {model:>10}  {'loss':>7}  {'suppressed':>10}"]
    for point in points:
        mark = "  <- knee" if point is knee else ""
        lines.append(
            f"{point.k:>4}  {point.score(model):>10.4f}  {point.loss:>7.4f}"
            f"  {point.suppressed_share:>10.2%}{mark}"
        )
    return "\n".join(lines)


def _write_setting(path: Path, k: int) -> None:
    """Put the line into the file, in the place of one that is there. Raises ConfigError."""
    line = f"{_VARIABLE}={k}"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        text, found = re.subn(rf"^(export\s+)?{_VARIABLE}=.*$", rf"\g<1>{line}", text, flags=re.MULTILINE)
        if not found:
            text += ("" if not text or text.endswith("\n") else "\n") + f"{line}\n"
        path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be written: {error}") from None
