"""The evidence for a verdict: where the phone was, how far it could have come, where the card was used.

As a page to zoom into (a phone's noise is metres, a fraud hundreds of km away), or a picture for a ticket.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.patches import Circle

from app.explaining.drawing import Drawing, Place, circle
from app.explaining.finding import Role
from app.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    SKY,
    VERMILION,
    Page,
    legend,
    new_page,
    new_picture,
    tidy,
    write_plot,
)

_COLOURS: Final[Mapping[Role, str]] = {"other": GREY, "used": SKY, "refused": ORANGE, "decisive": BLUE}
"""By role, in the order of drawing: the decisive fix lies on top."""
_SYMBOLS: Final = {"decisive": "circle", "used": "circle", "refused": "x", "other": "circle"}
_SIZES: Final = {"decisive": 14, "used": 10, "refused": 12, "other": 6}
_PICTURE_MARKERS: Final = {"decisive": "o", "used": "o", "refused": "X", "other": "."}
_PICTURE_SIZES: Final = {"decisive": 90, "used": 50, "refused": 70, "other": 25}
_KM_M: Final = 1000.0


def draw_evidence(path: Path, drawing: Drawing) -> None:
    """Draw into a .png or an .html file. Raises ConfigError."""
    write_plot(path, picture=lambda: _picture(drawing), page=lambda: page_of(drawing))


def page_of(drawing: Drawing) -> Page:
    """Axes in metres, equal in both directions."""
    traces = []
    if drawing.reach_m is not None:
        traces.append(
            _trace(drawing.reach_told, circle(drawing.reach_m), mode="lines", line={"color": GREEN})
        )
        traces[0] |= {"fill": "toself", "fillcolor": "rgba(0,158,115,0.1)", "hoverinfo": "skip"}
    line = {"color": PALE, "width": 1}
    traces.append(_trace("track", drawing.track, mode="lines", line=line) | {"hoverinfo": "skip"})
    for role, colour in _COLOURS.items():
        marks = [mark for mark in drawing.marks if mark.role == role]
        if marks:
            marker = {"color": colour, "symbol": _SYMBOLS[role], "size": _SIZES[role]}
            trace = _trace(drawing.told(role), [mark.place for mark in marks], mode="markers", marker=marker)
            traces.append(trace | {"text": [mark.told for mark in marks], "hoverinfo": "text"})
    marker = {"color": VERMILION, "symbol": "star", "size": 18}
    traces.append(_trace("transaction", [drawing.transaction], mode="markers", marker=marker))
    traces[-1]["hoverinfo"] = "name"
    axis = {"ticksuffix": " m", "separatethousands": True, "zeroline": False}
    return new_page(
        traces,
        title=drawing.title,
        subtitle=drawing.subtitle,
        xaxis={**axis, "title": {"text": "east"}, "range": [drawing.west_m, drawing.east_m]},
        yaxis={
            **axis,
            "title": {"text": "north"},
            "range": [drawing.south_m, drawing.north_m],
            "scaleanchor": "x",
        },
    )


def _trace(name: str, places: Sequence[Place], **more: Any) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": name,
        "x": [place.east_m for place in places],
        "y": [place.north_m for place in places],
        **more,
    }


def _picture(drawing: Drawing) -> Figure:
    figure = new_picture(8, 9, title=drawing.title, subtitle=drawing.subtitle)
    axes = figure.add_subplot()
    is_far = drawing.east_m - drawing.west_m > 5 * _KM_M
    unit_m, unit = (_KM_M, "km") if is_far else (1.0, "m")
    if drawing.reach_m is not None:
        radius = drawing.reach_m / unit_m
        axes.add_patch(
            Circle((0, 0), radius, facecolor=(GREEN, 0.12), edgecolor=GREEN, label=drawing.reach_told)
        )
    axes.plot(
        [place.east_m / unit_m for place in drawing.track],
        [place.north_m / unit_m for place in drawing.track],
        color=PALE,
        linewidth=1,
        label="track",
        zorder=2,
    )
    for role, colour in _COLOURS.items():
        marks = [mark for mark in drawing.marks if mark.role == role]
        if marks:
            axes.scatter(
                [mark.place.east_m / unit_m for mark in marks],
                [mark.place.north_m / unit_m for mark in marks],
                s=_PICTURE_SIZES[role],
                c=colour,
                marker=_PICTURE_MARKERS[role],
                label=drawing.told(role),
                zorder=3,
            )
    axes.scatter(
        [drawing.transaction.east_m / unit_m],
        [drawing.transaction.north_m / unit_m],
        s=260,
        c=VERMILION,
        marker="*",
        label="transaction",
        zorder=4,
    )
    axes.set_xlim(drawing.west_m / unit_m, drawing.east_m / unit_m)
    axes.set_ylim(drawing.south_m / unit_m, drawing.north_m / unit_m)
    axes.set_aspect("equal")
    axes.set_xlabel(f"east of the decisive location, {unit}")
    axes.set_ylabel(f"north of it, {unit}")
    tidy(axes)
    legend(figure)
    return figure
