"""What stands on the page before anything has come: Dash's components. assets/js/ fills them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.views import Role
from detection.words import duration_in_words

TITLE: Final = "Live location data · Smart Bank Streams"

INDEX: Final = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{%title%}</title>
<link rel="icon" href="assets/mark.svg" type="image/svg+xml">
<script src="assets/js/theme.js"></script>
<link rel="stylesheet" href="assets/vendor/leaflet.css">
<link rel="stylesheet" href="assets/css/theme.css">
<link rel="stylesheet" href="assets/css/page.css">
<link rel="stylesheet" href="assets/css/parts.css">
<script src="assets/vendor/leaflet.js" defer></script>
{%modules%}
<script type="module" src="assets/js/main.js"></script>
{%css%}
</head>
<body>
<noscript><p class="empty">This page needs JavaScript.</p></noscript>
{%app_entry%}
<footer hidden>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>
"""

_ROLES: Final[Mapping[Role, str]] = {
    "desk": "Fraud desk: exact places",
    "analyst": "Analyst: cells, no paths",
}
_FIGURES: Final = (
    ("devices", "Devices", "reported {lately}"),
    ("locations", "Locations per second", "of late"),
    ("transactions", "Transactions", "judged {lately}"),
    ("flagged", "Flagged", "{lately}; bars: by minute"),
    ("confirmed", "Confirmed", "final {lately}"),
    ("retracted", "Retracted", "cleared by later locations"),
)
_TIMES: Final = (("", "Any time"), ("1", "Last minute"), ("5", "Last 5 minutes"), ("15", "Last 15 minutes"))
_STATES: Final = (
    ("", "Any state"),
    ("open", "Open: may still change"),
    ("confirmed", "Confirmed"),
    ("retracted", "Retracted"),
)


def layout(role: Role, *, history_s: float, options: Mapping[str, str], has_session: bool) -> Component:
    """The page for a role. `options` are for the scripts, as data-NAME."""
    lately = "in the last hour" if history_s == 3600 else f"in the last {duration_in_words(history_s)}"
    data = {f"data-{name}": value for name, value in {"role": role, **options}.items()}
    exact = role == "desk"
    return html.Div(
        [
            html.A("Skip to flagged transactions", href="#flags-title", className="skip"),
            _header(role, has_session=has_session),
            html.Div(id="banner", className="banner", role="alert", hidden=True),
            html.Section(
                [_figure(name, title, meaning.format(lately=lately)) for name, title, meaning in _FIGURES],
                className="figures",
                **_label("Figures"),
            ),
            html.Section(id="publisher", className="publisher", hidden=True, **_label("From the sketches")),
            html.Main(
                [
                    html.Div([_map(exact=exact), *([_chart()] if exact else [])], className="column wide"),
                    html.Div([_flags(exact=exact), _evidence()], className="column"),
                ],
                className="columns",
            ),
            html.Div(id="announcer", className="unseen", **{"aria-live": "polite"}),
        ],
        id="page",
        **data,
    )


def _header(role: Role, *, has_session: bool) -> Component:
    sign_out = html.Form(
        html.Button("Sign out", type="submit", className="quiet"), action="logout", method="post"
    )
    return html.Header(
        [
            html.Img(src="assets/mark.svg", alt="", className="mark", width="36", height="36"),
            html.Div(
                [
                    html.H1("Live location data"),
                    html.P("Could the customer's phone have been where the card was used?"),
                ],
                className="brand",
            ),
            html.Div(
                [
                    html.Span("Connecting…", id="stream-state", className="state", role="status"),
                    html.Span(_ROLES[role], className="chip role"),
                    html.Button("Dark", id="theme", type="button", className="quiet"),
                    *([sign_out] if has_session else []),
                ],
                className="states",
            ),
        ],
        className="bar",
    )


def _figure(name: str, title: str, meaning: str) -> Component:
    return html.Div(
        [
            html.H2(title),
            html.P("…", id=f"figure-{name}", className="amount"),
            html.P(meaning, className="meaning"),
            *([html.Div(id="flagged-bars", className="bars", **_hidden())] if name == "flagged" else []),
        ],
        className=f"figure {name}",
    )


def _map(*, exact: bool) -> Component:
    chooser = html.Label(
        [html.Span("Device", className="unseen"), html.Select(id="device", children=[])], className="field"
    )
    legend = (
        [("device", "device"), ("device alarmed", "with a flag"), ("shop", "flagged transaction")]
        if exact
        else [("cell", "devices in a cell"), ("cell alarmed", "with flags")]
    )
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Map", id="map-title"),
                    html.Ul(
                        [
                            html.Li([html.Span(className=f"sign {kind}", **_hidden()), text])
                            for kind, text in legend
                        ],
                        className="legend",
                    ),
                    *([chooser] if exact else []),
                    html.Button("Show all", id="fit", type="button", className="quiet"),
                ],
                className="head",
            ),
            html.Div(id="map", className="map", role="region", **_label("Map; arrow keys move it")),
            html.P("No location yet. Devices appear here as they report.", id="map-empty", className="empty"),
        ],
        className="card map-card",
    )


def _chart() -> Component:
    return html.Section(
        [
            html.Div(
                [html.H2("Speed and altitude"), html.P(id="chart-device", className="note")],
                className="head",
            ),
            html.Div(id="chart-slot", className="chart"),
            html.P("Choose a device on the map or in its list.", id="chart-empty", className="empty"),
        ],
        className="card chart-card",
    )


def _flags(*, exact: bool) -> Component:
    filters = [
        _select("filter-time", "Time", _TIMES),
        _select("filter-state", "State", _STATES),
        _select("filter-reason", "Reason", (("", "Any reason"),)),
        dcc.Input(
            id="filter-text",
            type="search",
            placeholder="Device, card, shop" if exact else "Device or category",
            className="search",
            persistence=False,
        ),
    ]
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Flagged transactions", id="flags-title", tabIndex=-1),
                    html.P(id="flags-count", className="note"),
                    html.Button(
                        "Pause", id="pause", type="button", className="quiet", **{"aria-pressed": "false"}
                    ),
                ],
                className="head",
            ),
            html.Div(filters, className="filters", role="search"),
            html.Ul(id="flags", className="flags", **{"aria-labelledby": "flags-title"}),
            html.P("Nothing is flagged.", id="flags-empty", className="empty"),
        ],
        className="card flags-card",
    )


def _evidence() -> Component:
    return html.Section(
        id="evidence", className="card evidence-card", hidden=True, tabIndex=-1, **_label("Evidence")
    )


def _select(name: str, title: str, choices: Sequence[tuple[str, str]]) -> Component:
    options = [html.Option(text, value=value) for value, text in choices]
    return html.Label(
        [html.Span(title, className="unseen"), html.Select(options, id=name)], className="field"
    )


def _label(text: str) -> dict[str, Any]:
    return {"aria-label": text}


def _hidden() -> dict[str, Any]:
    return {"aria-hidden": "true"}
