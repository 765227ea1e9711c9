"""Errors of sketches beside what they promise."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from matplotlib.figure import Figure

from app.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    VERMILION,
    Page,
    legend,
    new_page,
    new_picture,
    tidy,
    write_plot,
)
from sketches.accuracy import Finding

Kind = Literal["kept", "chance", "broken"]

_LOOKS: Final[dict[Kind, tuple[str, str, str, str]]] = {
    "kept": ("within what is promised", BLUE, "o", "circle"),
    "chance": ("above it, as chance may have it", ORANGE, "D", "diamond"),
    "broken": ("broken: the sketch must be wrong", VERMILION, "X", "x"),
}
"""What each kind is called, its colour, and its mark in a picture and on a page."""
_AXIS: Final = "observed error, % of the promised one"
_PROMISED: Final = 100.0
_ROW_INCHES: Final = 0.27


def draw_accuracy(path: Path, findings: Sequence[Finding]) -> None:
    """Draw into a .png or an .html file. Raises ConfigError."""
    ordered = sorted(findings, key=lambda finding: finding.ratio)
    write_plot(path, picture=lambda: _picture(ordered), page=lambda: page_of(ordered))


def kind_of(finding: Finding) -> Kind:
    """How a finding is shown."""
    if finding.broken:
        return "broken"
    return "chance" if finding.ratio > 1 else "kept"


def page_of(findings: Sequence[Finding]) -> Page:
    """A row for each sketch, from the bottom to the top."""
    traces = []
    for kind, (name, colour, _, symbol) in _LOOKS.items():
        shown = [finding for finding in findings if kind_of(finding) == kind]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [_percent(finding) for finding in shown],
                "y": [finding.sketch for finding in shown],
                "text": [f"{_told(finding)}: {finding.what}" for finding in shown],
                "hoverinfo": "text",
                "marker": {"color": colour, "symbol": symbol, "size": 11},
            }
        )
    line = {"type": "line", "x0": _PROMISED, "x1": _PROMISED, "yref": "paper", "y0": 0, "y1": 1}
    return new_page(
        traces,
        title=_title(findings),
        subtitle=_SUBTITLE,
        xaxis={"title": {"text": _AXIS}, "ticksuffix": " %", "range": [-2, _widest(findings)]},
        yaxis={"categoryorder": "array", "categoryarray": [finding.sketch for finding in findings]}
        | {"automargin": True},
        shapes=[line | {"line": {"color": GREY, "dash": "dash"}}],
        height=max(400, 160 + 26 * len(findings)),
    )


def _picture(findings: Sequence[Finding]) -> Figure:
    figure = new_picture(
        9, 2.0 + _ROW_INCHES * max(len(findings), 4), title=_title(findings), subtitle=_SUBTITLE
    )
    axes = figure.add_subplot()
    for kind, (name, colour, marker, _) in _LOOKS.items():
        rows = [(at, finding) for at, finding in enumerate(findings) if kind_of(finding) == kind]
        if not rows:
            continue
        axes.hlines(
            [at for at, _ in rows], 0, [_percent(finding) for _, finding in rows], color=colour, linewidth=2
        )
        axes.scatter(
            [_percent(finding) for _, finding in rows],
            [at for at, _ in rows],
            s=45,
            c=colour,
            marker=marker,
            label=name,
            zorder=3,
        )
    column = ["observed of promised", *(_told(finding) for finding in reversed(findings))]
    for text, at in zip(column, range(len(findings), -1, -1), strict=True):
        axes.annotate(
            text,
            (1.01, at),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            annotation_clip=False,
        )
    axes.axvline(_PROMISED, color=GREY, linestyle="--", label="promised", zorder=1)
    axes.set_yticks(range(len(findings)), [finding.sketch for finding in findings])
    axes.set_ylim(-0.7, len(findings) - 0.3)
    axes.set_xlim(-2, _widest(findings))
    axes.set_xlabel(_AXIS)
    tidy(axes)
    axes.grid(visible=False, axis="y")
    legend(figure)
    return figure


_SUBTITLE: Final = "Each sketch's worst error beside exact counts; the dashed line is what it promises."


def _title(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing to compare: no transaction was seen yet"
    kinds = Counter(kind_of(finding) for finding in findings)
    kept = f"{kinds['kept']} of {len(findings)} sketches are within what they promise"
    return f"{kept}, {kinds['broken']} broken" if kinds["broken"] else kept


def _told(finding: Finding) -> str:
    return f"{finding.error:.3%} of {finding.bound:.3%}"


def _percent(finding: Finding) -> float:
    return 100 * finding.ratio


def _widest(findings: Sequence[Finding]) -> float:
    return max(110.0, 1.08 * max((_percent(finding) for finding in findings), default=0.0))
