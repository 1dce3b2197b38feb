from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from loadtests.rig.process import wait_until
from loadtests.rig.server import Server, free_ports
from ops.certificates.https import Https, redirect_app
from streamer.config import parse
from streamer.errors import ConfigError
from streamer.sections.http import HttpConfig
from tests.ops.certificates.authority import DAY, Authority
from tests.ops.certificates.pebble import DOMAIN, Pebble
from transport.errors import LinkError

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def plain() -> AsyncIterator[Client]:
    client = TestClient(TestServer(redirect_app(8443, {"token": "token.proof"})))
    await client.start_server()
    yield client
    await client.close()


class TestRedirect:
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_everything_leads_to_https(self, plain: Client, method: str) -> None:
        async with plain.request(
            method, "/whep/cam?a=1&b=2", headers={"Host": "live.test:80"}, allow_redirects=False
        ) as answer:
            assert answer.status == 308
            assert answer.headers["Location"] == "https://live.test:8443/whep/cam?a=1&b=2"

    @pytest.mark.parametrize("host", ["", "a/b", "user@evil.test", "a b"])
    async def test_a_host_that_is_none(self, plain: Client, host: str) -> None:
        async with plain.get("/", headers={"Host": host}, allow_redirects=False) as answer:
            assert answer.status == 400

    async def test_proofs_are_shown(self, plain: Client) -> None:
        async with plain.get("/.well-known/acme-challenge/token") as answer:
            assert (answer.status, await answer.text()) == (200, "token.proof")
        async with plain.get("/.well-known/acme-challenge/other") as answer:
            assert answer.status == 404


class TestConfiguration:
    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ({"tls_cert": "a.pem"}, "tls_cert and tls_key together"),
            ({"redirect_from": "0.0.0.0:80"}, "redirect_from needs TLS"),
            ({"acme_domain": "live.example"}, "expected redirect_from"),
            ({"acme_domain": "localhost"}, "host name with a dot"),
            ({"acme_directory": "http://ca.test/dir"}, "expected the https://"),
            ({"trusted_proxies": ["10.0.0.1/8"]}, "a network"),
        ],
    )
    def test_what_cannot_be(self, table: dict[str, object], expected: str) -> None:
        with pytest.raises(ConfigError, match=expected):
            parse({"http": table})

    async def test_nothing_is_off(self, tmp_path: Path) -> None:
        https = Https(HttpConfig(), tmp_path)
        await https.start(80)
        assert (https.context, https.scheme, https.describe().state) == (None, "http", "off")
        await https.close()

    def test_files_that_are_not_there(self, tmp_path: Path) -> None:
        config = HttpConfig(tls_cert=tmp_path / "a.pem", tls_key=tmp_path / "b.pem")
        with pytest.raises(LinkError, match=r"a\.pem"):
            Https(config, tmp_path)

    def test_one_that_has_expired_is_called_so(self, tmp_path: Path) -> None:
        paths = tmp_path / "a.pem", tmp_path / "b.pem"
        config = HttpConfig(tls_cert=paths[0], tls_key=paths[1])
        Authority(tmp_path).issue(*paths, "live.test", age=40 * DAY)
        assert Https(config, tmp_path).describe().state == "expired"
        Authority(tmp_path).issue(*paths, "live.test")
        assert Https(config, tmp_path).describe().state == "valid"


class TlsServer(Server):
    """The whole command with HTTPS; `extra` goes into its [http] table."""

    def __init__(self, authority: Path, streams: str, extra: str, host: str) -> None:
        self._extra, self._host = extra, host
        self._context = ssl.create_default_context(cafile=str(authority))
        super().__init__(streams)

    def configure(self, streams: str) -> None:
        super().configure(streams)
        text = self.config_path.read_text()
        self.config_path.write_text(text.replace("[http]\n", f"[http]\n{self._extra}\n", 1))

    def open(self, path: str) -> tuple[int, dict[str, str], bytes]:
        request = urllib.request.Request(
            f"https://{self._host}:{self.http_port}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10, context=self._context) as answer:
            return answer.status, dict(answer.headers), answer.read()

    def _ready(self) -> bool:
        try:
            return self.open("/readyz")[0] == 200
        except OSError:
            return False


def test_the_server_speaks_tls_and_takes_a_new_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    authority.issue(chain, key, "127.0.0.1", "first.test")
    (redirect_port,) = free_ports(1)
    extra = f'tls_cert = "{chain}"\ntls_key = "{key}"\nredirect_from = "127.0.0.1:{redirect_port}"'
    with TlsServer(authority.path, "", extra, "127.0.0.1") as server:
        _, headers, body = server.open("/api/v1/server")
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert json.loads(body)["tls"]["source"] == "files"
        assert json.loads(body)["tls"]["names"] == ["first.test", "127.0.0.1"]
        assert json.loads(server.open("/api/v1/live")[2])["signalling"] == "TLSv1.3, TLS_AES_256_GCM_SHA384"
        authority.issue(chain, key, "127.0.0.1", "second.test")
        wait_until(lambda: b"second.test" in server.open("/api/v1/server")[2], 20, "the new certificate")
        with pytest.raises(urllib.error.HTTPError) as caught:
            _no_redirects().open(f"http://127.0.0.1:{redirect_port}/watch/x", timeout=10)
        with caught.value as answer:
            assert answer.code == 308
            assert answer.headers["Location"] == f"https://127.0.0.1:{server.http_port}/watch/x"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **more: object) -> None:
        return None


def _no_redirects() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


async def test_acme_end_to_end(tmp_path: Path) -> None:
    """From nothing to a certificate for the name, with the plain listener giving the proof."""
    with Pebble(tmp_path).running() as pebble:
        config = HttpConfig(
            redirect_from=f"127.0.0.1:{pebble.challenge_port}",
            acme_domain=DOMAIN,
            acme_directory=pebble.directory,
            acme_ca_file=pebble.ca_file,
        )
        https = Https(config, tmp_path / "state")
        assert https.describe().state == "waiting"
        await https.start(443)
        running = asyncio.create_task(https.run())
        try:
            async with asyncio.timeout(60):
                while https.describe().not_after is None:  # noqa: ASYNC110 (another process is waited for)
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await https.close()
    found = https.describe()
    assert (found.source, found.state, found.names, found.last_error) == ("acme", "valid", [DOMAIN], "")
    # The next start shows it at once.
    assert Https(config, tmp_path / "state").describe().names == [DOMAIN]
