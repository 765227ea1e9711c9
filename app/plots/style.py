"""The one style of all plots: colours, titles, axes, and a .png or an .html page by the file's name.

Colours are those that colour-blind people tell apart (Okabe and Ito, 2008); what matters differs in its
shape, too. The background is white: plots go into tickets and reports. A page holds its script (some 5 MB),
so it needs no network and tells nobody what it shows.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import fill
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plotly import io

from streaming.errors import ConfigError

BLUE: Final = "#0072b2"
SKY: Final = "#56b4e9"
GREEN: Final = "#009e73"
ORANGE: Final = "#e69f00"
VERMILION: Final = "#d55e00"
PINK: Final = "#cc79a7"
GREY: Final = "#888888"
PALE: Final = "#bbbbbb"
_TEXT: Final = "#222222"
_GRID: Final = "#e4e4e4"

_DOTS_PER_INCH: Final = 150
_CHARACTERS_PER_INCH: Final = 12
_ENDINGS: Final = (".png", ".html")
_PAGE_OPTIONS: Final[Mapping[str, Any]] = {"displaylogo": False, "scrollZoom": True}

Page = dict[str, Any]
"""A figure in plotly's own terms."""


def check_plot_path(path: Path) -> None:
    """Return if a plot can be written there, before anything else is done. Raises ConfigError."""
    if path.suffix.lower() not in _ENDINGS:
        raise ConfigError(f"--plot is {path}; its name must end in .png or .html")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}")


def write_plot(path: Path, *, picture: Callable[[], Figure], page: Callable[[], Page]) -> None:
    """Draw a picture where the file's name ends in .png, else a page to zoom into. Raises ConfigError."""
    check_plot_path(path)
    try:
        if path.suffix.lower() == ".png":
            picture().savefig(path, format="png", dpi=_DOTS_PER_INCH, bbox_inches="tight")
        else:
            html = io.to_html(page(), include_plotlyjs=True, config=dict(_PAGE_OPTIONS))
            path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def new_picture(width_inches: float, height_inches: float, *, title: str, subtitle: str = "") -> Figure:
    """An empty picture with a title that says what is seen, on the left above all else."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained", facecolor="white")
    wide = int(width_inches * _CHARACTERS_PER_INCH)
    lines = [fill(text, wide) for text in (title, subtitle) if text]
    # A dollar sign in an id must not begin a formula.
    heading = figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=10, color=_TEXT)
    heading.set_parse_math(False)
    return figure


def tidy(*all_axes: Axes) -> None:
    """Axes as all plots have them: a faint grid behind the marks, and no box."""
    for axes in all_axes:
        axes.grid(visible=True, color=_GRID)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(PALE)
        axes.tick_params(color=PALE, labelcolor=_TEXT, labelsize=9)


def legend(figure: Figure) -> None:
    """What the marks stand for, below the picture, where it hides none of them."""
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def new_page(traces: Sequence[Mapping[str, Any]], *, title: str, subtitle: str = "", **layout: Any) -> Page:
    """A page with these traces; `layout` is plotly's and comes before ours."""
    # Plotly reads tags in titles: a text from outside must not be one.
    heading: dict[str, Any] = {"text": escape(title), "font": {"size": 15}}
    if subtitle:
        heading["subtitle"] = {"text": escape(subtitle)}
    axes = {name: {"gridcolor": _GRID, "linecolor": PALE} | layout.pop(name) for name in _axes(layout)}
    ours = {
        "title": heading,
        "font": {"color": _TEXT, "family": "sans-serif"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": -0.12},
    }
    return {"data": list(traces), "layout": ours | axes | layout}


def _axes(layout: Mapping[str, Any]) -> list[str]:
    return [name for name in layout if name.startswith(("xaxis", "yaxis"))]
