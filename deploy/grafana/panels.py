"""What the dashboards are made of: panels of one style, in rows of a grid of 24 columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.dashboard import Panel
from grafana_foundation_sdk.models.table import Options

COLUMNS: Final = 24
_CHART_ROWS, _NUMBER_ROWS = 8, 4
# By name, so that one thing has one colour on every panel.
_COLOURS: Final = {"flagged": "orange", "confirmed": "red", "retracted": "blue", "cleared": "green"}

PROMETHEUS: Final = common.DataSourceRef(type_val="prometheus", uid="prometheus")


class FluxQuery(Dataquery):
    """A query of InfluxDB 2, for which the SDK has no type."""

    def __init__(self, flux: str, source: common.DataSourceRef, ref_id: str) -> None:
        self.flux, self.source, self.ref_id = flux, source, ref_id

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it."""
        return {"refId": self.ref_id, "datasource": self.source.to_json(), "query": self.flux}


@dataclass(frozen=True, slots=True)
class Flux(Builder[Dataquery]):
    """What the SDK's panels take."""

    flux: str
    source: common.DataSourceRef
    ref_id: str = "A"

    def build(self) -> FluxQuery:
        """Make the query."""
        return FluxQuery(self.flux, self.source, self.ref_id)


def series(expr: str, legend: str) -> tuple[str, str]:
    """Some of Prometheus' series, and what they are called; {{label}} stands for a label's value."""
    return expr, legend


def quantiles(histogram: str, *, by: str = "") -> list[tuple[str, str]]:
    """Three quantiles of a histogram, over all processes or for each value of a label."""
    labels = f"le, {by}" if by else "le"
    prefix = f"{{{{{by}}}}} " if by else ""
    rates = f"sum by ({labels}) (rate({histogram}_bucket[$__rate_interval]))"
    return [series(f"histogram_quantile({q / 100:g}, {rates})", f"{prefix}p{q}") for q in (50, 95, 99)]


def chart(
    title: str, meaning: str, unit: str, *queries: tuple[str, str], width: int = 8, stacked: bool = False
) -> timeseries.Panel:
    """Lines over time, from Prometheus."""
    panel = _chart(title, meaning, unit, PROMETHEUS, width)
    for number, (expr, legend) in enumerate(queries):
        panel.with_target(_prometheus(expr, chr(ord("A") + number)).legend_format(legend))
        if "{{verdict}}" in legend or "{{event}}" in legend:
            _colour_by_verdict(panel)
    if stacked:
        panel.fill_opacity(40).stacking(build.StackingConfig().mode(common.StackingMode.NORMAL))
    return panel


def flux_chart(
    title: str, meaning: str, unit: str, *queries: Flux, name: str, width: int = 8
) -> timeseries.Panel:
    """Lines over time, from InfluxDB; `name` says what a line is called."""
    panel = _chart(title, meaning, unit, queries[0].source, width).display_name(name)
    for query in queries:
        panel.with_target(query)
    return panel


def number(
    title: str, meaning: str, unit: str, expr: str, *, bad_from: float | None = None, legend: str = ""
) -> stat.Panel:
    """What Prometheus says now, large; red from `bad_from` on."""
    steps = [dashboard.Threshold(color="green", value=None)]
    if bad_from is not None:
        steps.append(dashboard.Threshold(color="red", value=bad_from))
    panel = stat.Panel().title(title).description(meaning).datasource(PROMETHEUS).unit(unit)
    panel.height(_NUMBER_ROWS).span(4).graph_mode(common.BigValueGraphMode.AREA)
    panel.thresholds(_Steps(steps)).color_scheme(_Colour("thresholds"))
    panel.reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.with_target(_prometheus(expr, "A").legend_format(legend))


class _Table(table.Panel):
    """The SDK presets a footer, which tables of Grafana 12.3 do not know."""

    def build(self) -> Panel:
        panel = super().build()
        cast("Options", panel.options).footer = None
        return panel


def flux_table(title: str, meaning: str, query: Flux, width: int = 12) -> table.Panel:
    """Rows of InfluxDB, as text."""
    panel = _Table().title(title).description(meaning).datasource(query.source)
    panel.cell_options(common.TableAutoCellOptions())
    return panel.height(_CHART_ROWS).span(width).with_target(query)


def text_box(name: str, label: str, value: str) -> dashboard.VariableModel:
    """A value that whoever looks may change."""
    current = dashboard.VariableOption(selected=True, text=value, value=value)
    return variable(
        type_val=dashboard.VariableType.TEXTBOX,
        name=name,
        label=label,
        query=value,
        current=current,
        options=[current],
    )


def variable(**fields: Any) -> dashboard.VariableModel:
    """One without what the SDK presets of variables of another type, which Grafana 12.3 does not know."""
    return dashboard.VariableModel(**fields, auto=None, auto_count=None, auto_min=None)


def page(
    *,
    uid: str,
    title: str,
    description: str,
    rows: Mapping[str, Sequence[Builder[Panel]]],
    time_from: str,
    refresh: str,
    variables: Sequence[dashboard.VariableModel] = (),
) -> dashboard.Dashboard:
    """A dashboard of rows of panels, which are laid from left to right."""
    panels: list[Panel | dashboard.RowPanel] = []
    top = 0
    for row_title, builders in rows.items():
        place = dashboard.GridPos(x=0, y=top, w=COLUMNS, h=1)
        panels.append(dashboard.RowPanel(title=row_title, id_val=len(panels) + 1, grid_pos=place))
        left, top, height = 0, top + 1, 0
        for builder in builders:
            panel = builder.build()
            size = panel.grid_pos or dashboard.GridPos()
            if left + size.w > COLUMNS:
                left, top, height = 0, top + height, 0
            panel.id_val = len(panels) + 1
            panel.grid_pos = dashboard.GridPos(x=left, y=top, w=size.w, h=size.h)
            left, height = left + size.w, max(height, size.h)
            panels.append(panel)
        top += height
    return dashboard.Dashboard(
        uid=uid,
        title=title,
        description=description,
        tags=["smart-bank-streams"],
        timezone="utc",
        editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=time_from, to="now"),
        refresh=refresh,
        panels=panels,
        annotations=dashboard.AnnotationContainer(list_val=[]),
        templating=dashboard.DashboardDashboardTemplating(list_val=list(variables)),
    )


def as_json(made: dashboard.Dashboard) -> str:
    """What Grafana reads; the same for the same dashboard."""
    return json.dumps(made, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _chart(title: str, meaning: str, unit: str, source: common.DataSourceRef, width: int) -> timeseries.Panel:
    panel = timeseries.Panel().title(title).description(meaning).datasource(source).unit(unit)
    panel.height(_CHART_ROWS).span(width).fill_opacity(5).show_points(common.VisibilityMode.AUTO)
    panel.tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    legend = (
        build.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(show_legend=True)
    )
    return panel.legend(legend.placement(common.LegendPlacement.BOTTOM))


def _colour_by_verdict(panel: timeseries.Panel) -> None:
    for name, colour in _COLOURS.items():
        fixed = dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
        panel.override_by_regexp(f"/\\b{name}\\b/", [fixed])


def _prometheus(expr: str, ref_id: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).ref_id(ref_id).datasource(PROMETHEUS).range()


@dataclass(frozen=True, slots=True)
class _Steps(Builder[dashboard.ThresholdsConfig]):
    """The SDK's own builders of these two warn at their import of the builder of whole dashboards."""

    steps: list[dashboard.Threshold]

    def build(self) -> dashboard.ThresholdsConfig:
        return dashboard.ThresholdsConfig(mode=dashboard.ThresholdsMode.ABSOLUTE, steps=self.steps)


@dataclass(frozen=True, slots=True)
class _Colour(Builder[dashboard.FieldColor]):
    mode: str

    def build(self) -> dashboard.FieldColor:
        return dashboard.FieldColor(mode=dashboard.FieldColorModeId(self.mode))
