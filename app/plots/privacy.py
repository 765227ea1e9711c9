"""The curves over k (the paper's Figure 6): what privacy a greater group gains, and what it costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from app.anonymity.choosing import Point
from app.plots.style import BLUE, GREEN, VERMILION, Page, new_page, new_picture, tidy, write_plot
from privacy.anonymity.risk import Model

_K: Final = "k, people in a group at least"
_LOSS: Final = "information loss (GLM)"


def draw_curves(path: Path, points: Sequence[Point], model: Model, knee: Point) -> None:
    """Draw into a .png or an .html file. Raises ConfigError."""
    write_plot(path, picture=lambda: _picture(points, model, knee), page=lambda: page_of(points, model, knee))


def page_of(points: Sequence[Point], model: Model, knee: Point) -> Page:
    """Two panels over one axis of k."""
    ks = [point.k for point in points]
    shared = {"type": "scatter", "mode": "lines+markers", "x": ks}
    line = {"type": "line", "x0": knee.k, "x1": knee.k, "yref": "paper", "y0": 0, "y1": 1}
    return new_page(
        [
            shared
            | {"name": _score_name(model), "y": [point.score(model) for point in points], "yaxis": "y2"}
            | {"line": {"color": BLUE}},
            shared
            | {"name": _LOSS, "y": [point.loss for point in points]}
            | {"line": {"color": VERMILION}, "marker": {"symbol": "square"}},
        ],
        title=_title(knee),
        subtitle=_subtitle(knee, model),
        xaxis={"title": {"text": _K}},
        yaxis={"title": {"text": f"{_LOSS}, 0 to 1"}, "domain": [0, 0.47], "rangemode": "tozero"},
        yaxis2={"title": {"text": _score_axis(model)}, "domain": [0.53, 1]},
        shapes=[line | {"line": {"color": GREEN, "dash": "dash"}}],
        hovermode="x unified",
    )


def _picture(points: Sequence[Point], model: Model, knee: Point) -> Figure:
    figure = new_picture(8, 6, title=_title(knee), subtitle=_subtitle(knee, model))
    upper, lower = figure.subplots(2, 1, sharex=True)
    ks = [point.k for point in points]
    upper.plot(ks, [point.score(model) for point in points], "o-", color=BLUE)
    upper.set_ylabel(_score_axis(model))
    lower.plot(ks, [point.loss for point in points], "s-", color=VERMILION)
    lower.set_ylabel(f"{_LOSS}, 0 to 1")
    lower.set_ylim(bottom=0)
    lower.set_xlabel(_K)
    for axes in (upper, lower):
        axes.axvline(knee.k, color=GREEN, linestyle="--", zorder=1)
    upper.annotate(
        f"knee, k = {knee.k}",
        (knee.k, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(6, 0),
        textcoords="offset points",
        color=GREEN,
    )
    tidy(upper, lower)
    return figure


def _title(knee: Point) -> str:
    return f"A group of more people is more private and less exact: the knee is at k = {knee.k}"


def _subtitle(knee: Point, model: Model) -> str:
    return (
        f"There the {_score_name(model)} is {knee.score(model):.3f} and the information loss {knee.loss:.3f}."
    )


def _score_name(model: Model) -> str:
    return "silhouette" if model == "silhouette" else f"privacy score ({model})"


def _score_axis(model: Model) -> str:
    return f"{_score_name(model)}, {-1 if model == 'silhouette' else 0} to 1"
