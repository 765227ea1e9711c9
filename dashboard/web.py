"""The pages: Flask, with Dash's layout on it. Every request but those for health shows who sends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Event
from typing import Any, Final
from urllib.parse import urlsplit

import dash
import flask
from dash.development.base_component import Component
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from dashboard.access import COOKIE, Access
from dashboard.layout import INDEX, TITLE, layout
from dashboard.live import Live
from dashboard.login import add_login, shown_by
from dashboard.metrics import DashboardMetrics
from dashboard.pushing import events
from dashboard.views import Role, View
from streaming.health import Finding, Health

ASSETS: Final = Path(__file__).parent / "assets"
_OPEN: Final = (
    *("/livez", "/readyz", "/metrics", "/login"),
    *("/assets/css/", "/assets/js/theme.js", "/assets/mark.svg", "/assets/vendor/inter.woff2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the page is like."""

    every_s: float
    """A page hears of changes as often."""
    most_pages: int
    history_s: float
    most_devices: int
    most_flagged: int
    tiles_url: str = ""
    tiles_attribution: str = ""

    @property
    def for_scripts(self) -> dict[str, str]:
        """As data-NAME of the page."""
        return {
            "history": str(self.history_s),
            "devices": str(self.most_devices),
            "flagged": str(self.most_flagged),
            "tiles": self.tiles_url,
            "attribution": self.tiles_attribution,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the pages are made of. `stop` ends what is pushed."""

    live: Live
    access: Access
    views: Mapping[Role, View]
    options: Options
    metrics: DashboardMetrics
    registry: CollectorRegistry
    stop: Event


def create_web(site: Site) -> flask.Flask:
    """Put the pages together."""
    web = flask.Flask("dashboard", static_folder=None)
    page = dash.Dash(
        "dashboard",
        server=web,
        assets_folder=str(ASSETS),
        assets_ignore=".*",  # they stand in INDEX, in their order
        serve_locally=True,
        title=TITLE,
        update_title="",
        index_string=INDEX.replace("{%modules%}", _preloads()),
    )
    page.layout = partial(_laid_out, site.options)
    _guard(web, site.access, _policy(page.csp_hashes(), site.options.tiles_url))
    _add_stream(web, site)
    _add_answers(web, site)
    add_login(web, site.access, site.metrics)
    _add_health(web, site)
    return web


def _preloads() -> str:
    """Lets a browser fetch all modules at once, instead of each when the one before it has named it."""
    names = sorted(path.name for path in (ASSETS / "js").glob("*.js"))
    return "\n".join(
        f'<link rel="modulepreload" href="assets/js/{name}">' for name in names if name != "theme.js"
    )


def _laid_out(options: Options) -> Component:
    role: Role
    if not flask.has_request_context() or "role" not in flask.g:  # Dash looks at it before anybody does
        role, has_session = "analyst", False
    else:
        role, has_session = flask.g.role, COOKIE in flask.request.cookies
    return layout(role, history_s=options.history_s, options=options.for_scripts, has_session=has_session)


def _guard(web: flask.Flask, access: Access, policy: str) -> None:
    @web.before_request
    def identify() -> ResponseReturnValue | None:
        path = flask.request.path
        if path.startswith(_OPEN):
            return None
        flask.g.role = access.role_of(shown_by(flask.request))
        if flask.g.role is not None:
            return None
        return flask.redirect("login") if path == "/" else flask.Response("sign in\n", 401)

    @web.after_request
    def protect(response: flask.Response) -> flask.Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        if response.mimetype in {"application/json", "text/event-stream", "text/html"}:
            response.headers["Cache-Control"] = "no-store"
        return response


def _add_stream(web: flask.Flask, site: Site) -> None:
    open_pages, metrics = BoundedSemaphore(site.options.most_pages), site.metrics

    def sent(size_bytes: int) -> None:
        metrics.events.inc()
        metrics.event_bytes.inc(size_bytes)

    def closed() -> None:
        open_pages.release()
        metrics.pages.dec()

    @web.get("/stream")
    def stream() -> flask.Response:
        """Server-sent events, from where the page left off."""
        if not open_pages.acquire(blocking=False):
            return flask.Response("too many pages are open\n", 503, {"Retry-After": "10"})
        metrics.pages.inc()
        left_off = flask.request.headers.get("Last-Event-ID") or flask.request.args.get("since", "")
        pushed = events(
            site.live,
            site.views[flask.g.role],
            since=site.live.since(left_off),
            every_s=site.options.every_s,
            stop=site.stop,
            sent=sent,
        )
        response = flask.Response(pushed, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
        response.call_on_close(closed)
        return response


def _add_answers(web: flask.Flask, site: Site) -> None:
    def found(answer: dict[str, Any] | None) -> flask.Response:
        return flask.Response("not here\n", 404) if answer is None else flask.jsonify(answer)

    @web.get("/evidence")
    def evidence() -> flask.Response:
        """Of the transaction with an `id` of the list."""
        return found(site.live.evidence(site.views[flask.g.role], flask.request.args.get("id", "")))

    @web.get("/track")
    def track() -> flask.Response:
        """Of a `device`."""
        return found(site.live.track(site.views[flask.g.role], flask.request.args.get("device", "")))


def _add_health(web: flask.Flask, site: Site) -> None:
    live, metrics = site.live, site.metrics

    def told(finding: Finding) -> flask.Response:
        status, body = Health.of([finding]).answer()
        return flask.Response(body, status, mimetype="application/json")

    @web.get("/livez")
    def livez() -> flask.Response:
        return told(Finding(name="web", ok=True, state="answers"))

    @web.get("/readyz")
    def readyz() -> flask.Response:
        return told(Finding(name="kafka", ok=live.kafka == "up", state=live.kafka))

    @web.get("/metrics")
    def metrics_page() -> flask.Response:
        devices, flagged = live.sizes()
        metrics.devices.set(devices)
        metrics.flagged.set(flagged)
        metrics.kafka_up.set(live.kafka == "up")
        return flask.Response(generate_latest(site.registry), content_type=CONTENT_TYPE_LATEST)


def _policy(script_hashes: list[str], tiles_url: str) -> str:
    """Nothing from elsewhere but tiles, where they are asked for. Plotly and Leaflet need styles in line."""
    tiles = urlsplit(tiles_url.replace("{s}", "*"))
    origin = f" {tiles.scheme}://{tiles.netloc}" if tiles.netloc else ""
    hashes = " ".join(script_hashes)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' {hashes}",
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data:{origin}",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
