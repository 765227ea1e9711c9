"""A drawing as an HTML page to zoom into: a phone's noise is metres, a fraud hundreds of km away.

The page holds its script, so it needs no network and sends nobody a place.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from plotly import io

from app.explaining.drawing import Drawing, Place, circle
from app.explaining.plot_style import COLOURS, REACH_COLOUR, TRACK_COLOUR, TRANSACTION_COLOUR

_SYMBOLS: Final = {"decisive": "circle", "used": "circle", "refused": "x", "other": "circle"}
_SIZES: Final = {"decisive": 14, "used": 10, "refused": 12, "other": 6}


def write_page(drawing: Drawing, path: Path) -> None:
    """Write the page, some 5 MB. Raises OSError where the file cannot be written."""
    path.write_text(
        io.to_html(
            figure_of(drawing), include_plotlyjs=True, config={"displaylogo": False, "scrollZoom": True}
        ),
        encoding="utf-8",
    )


def figure_of(drawing: Drawing) -> dict[str, Any]:
    """The figure in plotly's own terms: axes in metres, equal in both directions."""
    traces = []
    if drawing.reach_m is not None:
        rim = {"color": REACH_COLOUR}
        traces.append(_trace(drawing.reach_told, circle(drawing.reach_m), mode="lines", line=rim))
        traces[0] |= {"fill": "toself", "fillcolor": "rgba(0,158,115,0.1)", "hoverinfo": "skip"}
    line = {"color": TRACK_COLOUR, "width": 1}
    traces.append(_trace("track", drawing.track, mode="lines", line=line) | {"hoverinfo": "skip"})
    for role, colour in COLOURS.items():
        marks = [mark for mark in drawing.marks if mark.role == role]
        if marks:
            marker = {"color": colour, "symbol": _SYMBOLS[role], "size": _SIZES[role]}
            trace = _trace(drawing.told(role), [mark.place for mark in marks], mode="markers", marker=marker)
            traces.append(trace | {"text": [mark.told for mark in marks], "hoverinfo": "text"})
    marker = {"color": TRANSACTION_COLOUR, "symbol": "star", "size": 18}
    traces.append(_trace("transaction", [drawing.transaction], mode="markers", marker=marker))
    traces[-1]["hoverinfo"] = "name"
    axis = {"ticksuffix": " m", "separatethousands": True, "zeroline": False}
    return {
        "data": traces,
        "layout": {
            # Plotly reads tags in titles: an id from outside must not be one.
            "title": {
                "text": escape(drawing.title),
                "font": {"size": 15},
                "subtitle": {"text": escape(drawing.subtitle)},
            },
            "xaxis": {**axis, "title": {"text": "east"}, "range": [drawing.west_m, drawing.east_m]},
            "yaxis": {
                **axis,
                "title": {"text": "north"},
                "range": [drawing.south_m, drawing.north_m],
                "scaleanchor": "x",
            },
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.12},
        },
    }


def _trace(name: str, places: Sequence[Place], **more: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "x": [place.east_m for place in places],
        "y": [place.north_m for place in places],
        **more,
    }
