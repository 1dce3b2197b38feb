"""People sign in with the account they have elsewhere: at an identity provider, or in a directory."""

from __future__ import annotations

import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner

from loadtests.rig.server import Server
from ops.cli import app as cli
from tests.behaviour.streams import KEY
from tests.rigs.oidc_provider import Provider, provider
from tests.rigs.slapd import ADMIN, ADMIN_PASSWORD, BASE, PEOPLE, Slapd, slapd

CLIENT_SECRET = "the secret of this client"
STREAMS = f"""
[streams.studio]
publish_key = "{KEY}"

[oidc]
name = "acme"
label = "Acme account"
issuer = "{{issuer}}"
client_id = "streamer"
client_secret = "{CLIENT_SECRET}"
groups = {{{{ staff = "crew" }}}}

[ldap]
urls = ["ldap://127.0.0.1:{{ldap}}"]
ca_file = "{{ca}}"
bind_dn = "{ADMIN}"
bind_password = "{ADMIN_PASSWORD}"
user_base = "ou=people,{BASE}"
group_base = "ou=groups,{BASE}"
groups = {{{{ "Operators" = "crew" }}}}
"""


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def directory() -> Iterator[Slapd]:
    with slapd() as running:
        yield running


@pytest.fixture(scope="module")
def server(acme: Provider, directory: Slapd) -> Iterator[Server]:
    streams = STREAMS.format(issuer=acme.issuer, ldap=directory.port, ca=directory.ca)
    with Server(streams) as server:
        streamer(server, "group", "add", "crew")
        streamer(server, "grant", "add", "crew", "viewer", "--stream", "studio")
        yield server


def streamer(server: Server, *arguments: str) -> str:
    """What a command prints, beside the running server."""
    done = CliRunner().invoke(cli, [*arguments, "--config", str(server.config_path)])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None


@dataclass
class Browser:
    """Keeps cookies, follows redirects when told to."""

    server: Server
    jar: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def open(
        self, address: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[int, str, bytes]:
        """Status, where a redirect leads to, body."""
        url = urllib.parse.urljoin(self.server.url, address)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": content_type} if data is not None else {}
        opener = urllib.request.build_opener(
            _NoRedirects(), urllib.request.HTTPCookieProcessor(self.jar), urllib.request.ProxyHandler({})
        )
        try:
            with opener.open(urllib.request.Request(url, data, headers), timeout=20) as answer:
                return answer.status, "", answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location", ""), error.read()

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.open("/api/v1/session")[2])
        return found

    def to_provider(self, wanted: str) -> str:
        """Where the provider leads after its form."""
        status, there, _ = self.open(f"/login/oidc?next={urllib.parse.quote(wanted, safe='')}")
        assert status == 302, there
        form = urllib.parse.urlencode({"sub": "subject-olga"}).encode()
        status, back, _ = self.open(there, form, "application/x-www-form-urlencoded")
        assert status == 302
        return back


def audited(server: Server, what: str) -> list[dict[str, Any]]:
    lines = streamer(server, "audit", "export").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["what"] == what]


class TestProvider:
    def test_who_comes_back_is_signed_in(self, server: Server) -> None:
        browser = Browser(server)
        assert browser.session()["oidc"] == {"label": "Acme account", "url": "/login/oidc"}
        assert browser.open("/whep/studio")[0] == 401
        back = browser.to_provider("/watch/studio")
        assert back.startswith(f"{server.url}/login/oidc/callback?")
        status, there, _ = browser.open(back)
        assert (status, there) == (302, "/watch/studio")
        now = browser.session()
        assert (now["name"], now["method"], now["standing"]) == ("olga", "oidc:acme", "full")
        # By the group that the provider says, at once.
        assert browser.open("/whep/studio")[0] == 204
        # The address is worth nothing now, here and in any other browser.
        for again in (browser, Browser(server)):
            status, there, _ = again.open(back)
            assert (status, there) == (302, "/login?problem=sso_again&next=%2F")
        assert audited(server, "login")[-1]["outcome"] == "refused"
        assert CLIENT_SECRET not in server.output

    def test_what_another_browser_began_is_not_finished(self, server: Server) -> None:
        """Login CSRF: nobody is signed in to an account that somebody else chose."""
        back = Browser(server).to_provider("/")
        victim = Browser(server)
        assert victim.open(back)[1].startswith("/login?problem=sso_again")
        assert victim.session()["name"] == ""

    @pytest.mark.parametrize(
        "wanted", ["https://evil.example/", "//evil.example/", "/\\\\evil.example", "javascript:alert(1)"]
    )
    def test_nobody_is_sent_to_another_site(self, server: Server, wanted: str) -> None:
        browser = Browser(server)
        assert browser.open(browser.to_provider(wanted))[1] == "/"

    def test_who_needs_a_second_factor_is_led_to_where_it_is_set_up(self, server: Server) -> None:
        streamer(server, "group", "factor", "crew")
        try:
            browser = Browser(server)
            assert browser.open(browser.to_provider("/watch/studio"))[1] == "/account"
            assert browser.session()["standing"] == "enroll"
            status, _, body = browser.open("/whep/studio")
            assert (status, json.loads(body)["error"]) == (403, "factor_needed")
        finally:
            streamer(server, "group", "factor", "crew", "--not-required")

    def test_who_says_no_there_is_told_here(self, server: Server) -> None:
        browser = Browser(server)
        there = browser.open("/login/oidc")[1]
        state = urllib.parse.parse_qs(urllib.parse.urlsplit(there).query)["state"][0]
        answer = browser.open(f"/login/oidc/callback?state={state}&error=access_denied")
        assert answer[:2] == (302, "/login?problem=sso_again&next=%2F")


class TestDirectory:
    def test_who_is_in_there_is_signed_in(self, server: Server) -> None:
        browser = Browser(server)
        status, _, body = browser.open("/api/v1/login", {"name": "dora", "password": PEOPLE["dora"]})
        assert status == 200
        session = json.loads(body)["session"]
        assert (session["name"], session["method"]) == ("dora", "ldap")
        assert browser.open("/whep/studio")[0] == 204
        account = json.loads(browser.open("/api/v1/account")[2])
        assert (account["full_name"], account["groups"], account["has_password"]) == (
            "Dora Doe", ["crew"], False,
        )  # fmt: skip
        assert ADMIN_PASSWORD not in server.output
        assert PEOPLE["dora"] not in server.output

    @pytest.mark.parametrize(("name", "password"), [("dora", "wrong"), ("nobody", "x"), ("*", "x")])
    def test_nobody_else_is(self, server: Server, name: str, password: str) -> None:
        browser = Browser(server)
        assert browser.open("/api/v1/login", {"name": name, "password": password})[0] == 401
        assert browser.session()["name"] == ""
