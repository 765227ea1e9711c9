"""A drawing as a PNG, for reports and tickets."""

from pathlib import Path
from textwrap import fill
from typing import Final

from matplotlib.figure import Figure
from matplotlib.patches import Circle

from app.explaining.drawing import Drawing
from app.explaining.plot_style import COLOURS, REACH_COLOUR, TRACK_COLOUR, TRANSACTION_COLOUR

_MARKERS: Final = {"decisive": "o", "used": "o", "refused": "X", "other": "."}
_SIZES: Final = {"decisive": 90, "used": 50, "refused": 70, "other": 25}
_KM_M: Final = 1000.0
_TITLE_CHARACTERS: Final = 100


def write_png(drawing: Drawing, path: Path) -> None:
    """Write the picture, some 1,200 pixels wide. Raises OSError where the file cannot be written."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.add_subplot()
    is_far = drawing.east_m - drawing.west_m > 5 * _KM_M
    unit_m, unit = (_KM_M, "km") if is_far else (1.0, "m")
    if drawing.reach_m is not None:
        reach = Circle(
            (0, 0),
            drawing.reach_m / unit_m,
            facecolor=(REACH_COLOUR, 0.12),
            edgecolor=REACH_COLOUR,
            label=drawing.reach_told,
        )
        axes.add_patch(reach)
    axes.plot(
        [place.east_m / unit_m for place in drawing.track],
        [place.north_m / unit_m for place in drawing.track],
        color=TRACK_COLOUR,
        linewidth=1,
        zorder=2,
    )
    for role, colour in COLOURS.items():
        marks = [mark for mark in drawing.marks if mark.role == role]
        if marks:
            axes.scatter(
                [mark.place.east_m / unit_m for mark in marks],
                [mark.place.north_m / unit_m for mark in marks],
                s=_SIZES[role],
                c=colour,
                marker=_MARKERS[role],
                label=drawing.told(role),
                zorder=3,
            )
    axes.scatter(
        [drawing.transaction.east_m / unit_m],
        [drawing.transaction.north_m / unit_m],
        s=260,
        c=TRANSACTION_COLOUR,
        marker="*",
        label="transaction",
        zorder=4,
    )
    axes.set_xlim(drawing.west_m / unit_m, drawing.east_m / unit_m)
    axes.set_ylim(drawing.south_m / unit_m, drawing.north_m / unit_m)
    axes.set_aspect("equal")
    axes.grid(visible=True, alpha=0.3)
    axes.set_xlabel(f"east, {unit}")
    axes.set_ylabel(f"north, {unit}")
    # A dollar sign in an id must not begin a formula.
    title = f"{fill(drawing.title, _TITLE_CHARACTERS)}\n{fill(drawing.subtitle, _TITLE_CHARACTERS)}"
    axes.set_title(title, fontsize=9, loc="left", parse_math=False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(path, format="png", dpi=150, bbox_inches="tight")
