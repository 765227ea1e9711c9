"""The curves over k as a picture and as a page, in the colours of the other plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from plotly import io

from app.anonymity.choosing import Point
from app.explaining.plot_style import COLOURS, REACH_COLOUR, TRANSACTION_COLOUR
from privacy.anonymity.risk import Model

_SCORE_COLOUR: Final = COLOURS["decisive"]
_LOSS_COLOUR: Final = TRANSACTION_COLOUR
_KNEE_COLOUR: Final = REACH_COLOUR


def write_plot(path: Path, points: Sequence[Point], model: Model, knee: Point) -> None:
    """Draw into a .png, or else an HTML page that needs no network. Raises OSError where that fails."""
    if path.suffix == ".png":
        _write_png(path, points, model, knee)
    else:
        page = io.to_html(
            figure_of(points, model, knee), include_plotlyjs=True, config={"displaylogo": False}
        )
        path.write_text(page, encoding="utf-8")


def figure_of(points: Sequence[Point], model: Model, knee: Point) -> dict[str, Any]:
    """The page's figure in plotly's own terms: two panels over one axis of k."""
    ks = [point.k for point in points]
    shared = {"type": "scatter", "mode": "lines+markers", "x": ks}
    return {
        "data": [
            shared
            | {"name": _score_name(model), "y": [point.score(model) for point in points], "yaxis": "y2"}
            | {"line": {"color": _SCORE_COLOUR}},
            shared
            | {"name": "information loss (GLM)", "y": [point.loss for point in points]}
            | {"line": {"color": _LOSS_COLOUR}},
        ],
        "layout": {
            "title": {"text": _title(knee)},
            "xaxis": {"title": {"text": "k"}},
            "yaxis": {"title": {"text": "loss"}, "domain": [0, 0.47], "rangemode": "tozero"},
            "yaxis2": {"title": {"text": "score"}, "domain": [0.53, 1]},
            "shapes": [
                {"type": "line", "x0": knee.k, "x1": knee.k, "yref": "paper", "y0": 0, "y1": 1}
                | {"line": {"color": _KNEE_COLOUR, "dash": "dash"}}
            ],
            "hovermode": "x unified",
            "legend": {"orientation": "h", "y": -0.15},
        },
    }


def _write_png(path: Path, points: Sequence[Point], model: Model, knee: Point) -> None:
    figure = Figure(figsize=(8, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    ks = [point.k for point in points]
    upper.plot(ks, [point.score(model) for point in points], "o-", color=_SCORE_COLOUR)
    upper.set_ylabel(_score_name(model))
    lower.plot(ks, [point.loss for point in points], "o-", color=_LOSS_COLOUR)
    lower.set_ylabel("information loss (GLM)")
    lower.set_ylim(bottom=0)
    lower.set_xlabel("k")
    for axes in (upper, lower):
        axes.axvline(knee.k, color=_KNEE_COLOUR, linestyle="--")
        axes.grid(visible=True, alpha=0.3)
    upper.set_title(_title(knee), fontsize=9, loc="left")
    figure.savefig(path, format="png", dpi=150)


def _title(knee: Point) -> str:
    return f"Privacy and information loss over k; the knee is at k = {knee.k}"


def _score_name(model: Model) -> str:
    return "silhouette" if model == "silhouette" else f"privacy score ({model})"
