"""Signing in with a token, which then is the session's cookie: a process without state keeps no sessions.

Whoever is taken out of the token file is out at the next request after a restart.
"""

import html
import time
from pathlib import Path
from typing import Final

import flask
from flask.typing import ResponseReturnValue

from dashboard.access import COOKIE, Access, Attempts, Request
from dashboard.metrics import DashboardMetrics

_PAGE: Final = (Path(__file__).parent / "assets" / "login.html").read_text(encoding="utf-8")


def add_login(web: flask.Flask, access: Access, metrics: DashboardMetrics) -> None:
    """Add the pages to sign in and out."""
    attempts = Attempts()

    @web.get("/login")
    def login() -> flask.Response:
        return _page("", 200)

    @web.post("/login")
    def signed_in() -> ResponseReturnValue:
        shown, now_s = shown_by(flask.request), time.monotonic()
        if attempts.are_too_many(shown.address, now_s):
            return _page("Too many wrong tokens. Wait a minute.", 429)
        token = flask.request.form.get("token", "").strip()
        if access.role_of_token(f"Bearer {token}") is None:
            attempts.failed(shown.address, now_s)
            metrics.refused.inc()
            return _page("This token is not known.", 403)
        response = flask.redirect("./")
        is_tls = access.comes_by_proxy(shown) and shown.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(COOKIE, token, httponly=True, samesite="Lax", secure=is_tls)
        return response

    @web.post("/logout")
    def signed_out() -> ResponseReturnValue:
        response = flask.redirect("login")
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax")
        return response


def shown_by(request: flask.Request) -> Request:
    """What a request shows of whoever sends it."""
    return Request(
        address=request.remote_addr or "",
        host=request.host,
        authorization=request.headers.get("Authorization"),
        cookie=request.cookies.get(COOKIE),
        headers={name.lower(): value for name, value in request.headers.items()},
    )


def _page(problem: str, status: int) -> flask.Response:
    return flask.Response(_PAGE.replace("{{problem}}", html.escape(problem)), status, mimetype="text/html")
