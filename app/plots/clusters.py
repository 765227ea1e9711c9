"""The graph of near-identical transactions as a picture (the paper's Figure 7): PNG, or a page with names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import ceil, cos, pi, sin, sqrt
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from app.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PALE,
    PINK,
    SKY,
    VERMILION,
    Page,
    new_page,
    new_picture,
    write_plot,
)

_APART: Final = 1.0
"""Between neighbours on a circle; all else follows."""
_PALETTE: Final = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY)


_SUBTITLE: Final = (
    "Each colour is a cluster. Lines join equal transactions, dashed ones similar ones; a large dot is the"
    " oldest of its kind."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A transaction in the picture."""

    x: float
    y: float
    colour: str
    is_hub: bool
    """The oldest of its kind, where the others of it hang."""
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPicture:
    """Dots by node id, and the lines between them."""

    title: str
    dots: Sequence[Dot]
    lines: Sequence[tuple[int, int, float]]
    """Two dots, and their likeness."""


def draw_clusters(path: Path, graph: Mapping[str, Any]) -> None:
    """Draw the answer to the question `clusters` into a .png or .html file. Raises ConfigError."""
    picture = laid_out(graph)
    write_plot(path, picture=lambda: _picture(picture), page=lambda: page_of(picture))


def laid_out(graph: Mapping[str, Any]) -> ClusterPicture:
    """Each kind a circle around its oldest transaction, the kinds of a cluster on a circle, clusters in rows.

    The same graph gives the same picture.
    """
    nodes, links = graph["nodes"], graph["links"]
    hub_of = {node["id"]: node["id"] for node in nodes}
    hub_of |= {link["target"]: link["source"] for link in links if link["likeness"] == 1}
    clusters: dict[int, dict[int, list[int]]] = {}
    for node in nodes:
        hub = hub_of[node["id"]]
        clusters.setdefault(node["cluster"], {}).setdefault(hub, []).append(node["id"])
    discs = [_cluster(list(kinds.values())) for kinds in clusters.values()]
    places: dict[int, tuple[float, float]] = {}
    columns, side = ceil(sqrt(len(discs))), 2 * max((radius for radius, _ in discs), default=0) + 2 * _APART
    for number, (_, disc) in enumerate(discs):
        east, south = number % max(columns, 1) * side, number // max(columns, 1) * side
        places |= {node: (x + east, y - south) for node, (x, y) in disc.items()}
    cards = {(node["cluster"], node["card"]) for node in nodes}
    return ClusterPicture(
        title=f"{len(discs)} clusters, {len(nodes)} near-identical transactions of {len(cards)} cards",
        dots=[
            Dot(
                x=places[node["id"]][0],
                y=places[node["id"]][1],
                colour=_PALETTE[node["cluster"] % len(_PALETTE)],
                is_hub=hub_of[node["id"]] == node["id"],
                told=_told(node),
            )
            for node in nodes
        ],
        lines=[(link["source"], link["target"], link["likeness"]) for link in links],
    )


def _cluster(kinds: Sequence[Sequence[int]]) -> tuple[float, dict[int, tuple[float, float]]]:
    """Radius of a cluster, and places around its middle."""
    radii = [_radius(len(kind) - 1) for kind in kinds]
    widest = max(radii) + _APART
    ring = 0.0 if len(kinds) == 1 else max(widest / sin(pi / len(kinds)), widest)
    places = {}
    for (east, north), radius, (hub, *others) in zip(_circle(len(kinds), ring), radii, kinds, strict=True):
        places[hub] = (east, north)
        for node, (x, y) in zip(others, _circle(len(others), radius), strict=True):
            places[node] = (east + x, north + y)
    return ring + widest, places


def _radius(count: int) -> float:
    """Of a circle on which so many dots are `_APART`."""
    return max(_APART, count * _APART / (2 * pi)) if count else 0.0


def _circle(count: int, radius: float) -> list[tuple[float, float]]:
    return [(radius * cos(2 * pi * at / count), radius * sin(2 * pi * at / count)) for at in range(count)]


def _told(node: Mapping[str, Any]) -> str:
    time = datetime.fromtimestamp(node["time_ms"] / 1000, UTC)
    amount = node["amount_band"] if node["amount_band"] in {"0", "refund"} else f"from {node['amount_band']}"
    return (
        f"{time:%Y-%m-%d %H:%M:%S} UTC, card {node['card']}, amount {amount},"
        f" {node['merchant']} ({node['category']})"
    )


def _picture(picture: ClusterPicture) -> Figure:
    figure = new_picture(9, 9, title=picture.title, subtitle=_SUBTITLE)
    axes = figure.add_subplot()
    for source, target, likeness in picture.lines:
        ends = picture.dots[source], picture.dots[target]
        axes.plot(
            [dot.x for dot in ends],
            [dot.y for dot in ends],
            color=PALE,
            linewidth=1,
            linestyle="-" if likeness == 1 else "--",
            zorder=1,
        )
    for is_hub, size in ((False, 30), (True, 110)):
        dots = [dot for dot in picture.dots if dot.is_hub == is_hub]
        axes.scatter(
            [dot.x for dot in dots],
            [dot.y for dot in dots],
            s=size,
            c=[dot.colour for dot in dots],
            zorder=2 + is_hub,
        )
    axes.set_aspect("equal", anchor="N")
    axes.axis("off")
    return figure


def page_of(picture: ClusterPicture) -> Page:
    """A page that names each transaction under the pointer."""
    dots = picture.dots
    traces: list[dict[str, Any]] = []
    for name, dash, wanted in (("equal", "solid", True), ("alike", "dash", False)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for source, target, likeness in picture.lines:
            if (likeness == 1) == wanted:
                xs += [dots[source].x, dots[target].x, None]
                ys += [dots[source].y, dots[target].y, None]
        line = {"color": PALE, "width": 1, "dash": dash}
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": xs,
                "y": ys,
                "line": line,
                "hoverinfo": "skip",
            }
        )
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "transactions",
            "x": [dot.x for dot in dots],
            "y": [dot.y for dot in dots],
            # Plotly reads tags in texts: a merchant's name must not be one.
            "text": [escape(dot.told) for dot in dots],
            "hoverinfo": "text",
            "marker": {
                "color": [dot.colour for dot in dots],
                "size": [14 if dot.is_hub else 8 for dot in dots],
            },
        }
    )
    axis = {"visible": False}
    return new_page(
        traces,
        title=picture.title,
        subtitle=_SUBTITLE,
        xaxis=axis,
        yaxis=axis | {"scaleanchor": "x"},
    )
