"""dashboard/access.py and the pages: nobody gets in whom no rule names, and roles are told apart."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from app.dashboard import access_of
from app.settings import Settings
from dashboard.access import COOKIE, Access, Attempts, Request, read_role_tokens
from streaming.errors import ConfigError
from tests.dashboard import flagged, live_with, location, web_of

DESK, ANALYST_TOKEN = "desk-token-0123456789", "analyst-token-0123456789"


@pytest.fixture
def access(tmp_path: Path) -> Access:
    """Two people of the desk, one analyst."""
    path = tmp_path / "tokens"
    path.write_text(f"desk:{DESK}\ndesk:another-{DESK}\nanalyst:{ANALYST_TOKEN}\n")
    return Access(tokens=read_role_tokens(path))


def request(**shown: Any) -> Request:
    """A request that shows nothing but this."""
    nothing: dict[str, Any] = {
        "address": "10.0.0.9",
        "host": "bank",
        "authorization": None,
        "cookie": None,
        "headers": {},
    }
    return Request(**{**nothing, **shown})


def test_a_token_has_a_role(access: Access) -> None:
    """As a cookie, or as a header of a program."""
    assert access.role_of(request(cookie=DESK)) == "desk"
    assert access.role_of(request(authorization=f"Bearer {ANALYST_TOKEN}")) == "analyst"
    for wrong in (None, "", "x", DESK + "x"):
        assert access.role_of(request(cookie=wrong)) is None
    assert access.role_of(request(headers={"x-role": "desk"})) is None


def test_a_proxy_is_believed_from_its_address_only() -> None:
    """And only a role that there is."""
    access = Access(proxy_header="X-Role", proxies=(ip_network("10.0.0.0/30"),))
    assert access.role_of(request(address="10.0.0.2", headers={"x-role": "analyst"})) == "analyst"
    assert access.role_of(request(address="10.0.0.2", headers={"x-role": "root"})) is None
    assert access.role_of(request(address="10.0.0.2")) is None
    assert access.role_of(request(address="10.0.0.9", headers={"x-role": "desk"})) is None


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost", "[::1]:8050"])
def test_without_tokens_this_machine_may_look(host: str) -> None:
    """Under its own names: another one may be somebody's trick."""
    access = Access(open_role="desk")
    assert access.role_of(request(address="127.0.0.1", host=host)) == "desk"
    assert access.role_of(request(address="127.0.0.1", host="evil.example:8050")) is None


def test_it_does_not_start_open_to_others() -> None:
    """The message says what to set."""
    with pytest.raises(ConfigError, match="SMARTBANK_DASHBOARD_TOKEN_FILE"):
        access_of(Settings(dashboard_host="0.0.0.0"))  # noqa: S104
    with pytest.raises(ConfigError, match="need each other"):
        access_of(Settings(dashboard_proxy_header="X-Role"))
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES"):
        access_of(Settings(dashboard_proxy_header="X-Role", dashboard_trusted_proxies="nowhere"))
    assert access_of(Settings()).open_role == "desk"


def test_a_token_file_of_other_names_is_refused(tmp_path: Path) -> None:
    """The token is not told."""
    path = tmp_path / "tokens"
    for text in (f"root:{DESK}", DESK):
        path.write_text(text)
        with pytest.raises(ConfigError, match="desk:TOKEN and analyst:TOKEN") as refused:
            read_role_tokens(path)
        assert DESK not in str(refused.value)


def test_pages_need_a_role(access: Access) -> None:
    """Health does not; the page itself leads to the login."""
    client = web_of(access).test_client()
    assert client.get("/").headers["Location"] == "login"
    for path in ("/stream", "/track?device=a", "/evidence?id=a", "/_dash-layout", "/_dash-dependencies"):
        assert client.get(path).status_code == 401, path
    for path in ("/livez", "/metrics", "/login"):
        assert client.get(path).status_code == 200, path
    assert client.get("/readyz").status_code == 503


def test_signing_in_gives_a_cookie_that_scripts_cannot_read(access: Access) -> None:
    """And signing out takes it away."""
    client = web_of(access).test_client()
    assert client.post("/login", data={"token": "wrong-token-0123456789"}).status_code == 403
    answer = client.post("/login", data={"token": f" {DESK} "})
    assert answer.status_code == 302
    cookie = answer.headers["Set-Cookie"]
    assert f"{COOKIE}={DESK}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/_dash-layout").status_code == 200
    client.post("/logout")
    assert client.get("/_dash-layout").status_code == 401


def test_wrong_tokens_are_looked_at_ten_times_a_minute(access: Access) -> None:
    """Then a right one has to wait, too."""
    client = web_of(access).test_client()
    answers = [client.post("/login", data={"token": "wrong"}).status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]
    assert client.post("/login", data={"token": DESK}).status_code == 429


def test_attempts_are_forgotten_and_bounded() -> None:
    """After a minute; and of a thousand addresses."""
    attempts = Attempts()
    for _ in range(10):
        attempts.failed("a", 0.0)
    assert attempts.are_too_many("a", 59.0)
    assert not attempts.are_too_many("a", 61.0)
    for n in range(2000):
        attempts.failed(str(n), 0.0)
    assert not attempts.are_too_many("a", 1.0)


def test_the_layout_and_the_stream_are_of_the_role(access: Access) -> None:
    """An analyst's page has no chart of speeds, and its stream no device."""
    client = web_of(access, live_with(location("phone-0815"), flagged())).test_client()
    client.set_cookie(COOKIE, ANALYST_TOKEN)
    assert b'"chart-slot"' not in client.get("/_dash-layout").data
    stream = client.get("/stream")
    assert b"phone-0815" not in stream.data
    assert b"event: changes" in stream.data
    assert client.get("/track?device=phone-0815").status_code == 404
    client.set_cookie(COOKIE, DESK)
    assert b'"chart-slot"' in client.get("/_dash-layout").data
    assert b"phone-0815" in client.get("/stream").data
    assert client.get("/track?device=phone-0815").json == {
        "device": "phone-0815",
        "fixes": [[1_711_972_800_000, 37.33, -121.89, 1.0, 25.0]],
    }


def test_only_so_many_pages_are_open_at_a_time(access: Access) -> None:
    """A closed one makes room."""
    web = web_of(access)
    headers = {"Authorization": f"Bearer {DESK}"}
    opened = [web.test_client().get("/stream", headers=headers, buffered=False) for _ in range(3)]
    assert [answer.status_code for answer in opened] == [200, 200, 503]
    for answer in opened:
        answer.close()
    assert web.test_client().get("/stream", headers=headers).status_code == 200


def test_pages_say_that_nothing_may_come_from_elsewhere(access: Access) -> None:
    """But tiles, where they are asked for; no script in line but Dash's own, by its hash."""
    policy = web_of(access).test_client().get("/login").headers["Content-Security-Policy"]
    assert "http" not in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-eval" not in policy
    tiled = web_of(access, tiles_url="https://{s}.tile.example/{z}/{x}/{y}.png")
    assert (
        "img-src 'self' data: https://*.tile.example;"
        in (tiled.test_client().get("/login").headers["Content-Security-Policy"])
    )
