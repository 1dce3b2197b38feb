from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from streamer.web.origin import TRUSTED_PROXIES, client_address, is_https, parse_networks, signalling


class Wire:
    """The transport of a request, as far as it is looked at."""

    def __init__(self, peer: str) -> None:
        self.peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.peer, 40000) if name == "peername" else default


def request(
    peer: str, headers: Mapping[str, str] | None = None, proxies: tuple[str, ...] = ()
) -> web.Request:
    app = web.Application()
    app[TRUSTED_PROXIES] = parse_networks(proxies)
    made = make_mocked_request("GET", "/", headers=headers or {}, app=app, transport=Wire(peer))
    # Filled in by the router otherwise.
    made.match_info.add_app(app)
    return made


PROXY = ("10.0.0.0/8",)


class TestAddress:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "expected"),
        [
            ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
            ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.7, 203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9:5123", "203.0.113.9"),
            ("10.0.0.1", "[2001:db8::1]:5123", "2001:db8::1"),
            ("10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ],
    )
    def test_only_trusted_proxies_are_believed(self, peer: str, forwarded: str, expected: str) -> None:
        assert client_address(request(peer, {"X-Forwarded-For": forwarded}, PROXY)) == expected

    def test_without_headers_it_is_the_peer(self) -> None:
        assert client_address(request("192.0.2.1")) == "192.0.2.1"


class TestSignalling:
    @pytest.mark.parametrize(
        ("peer", "headers", "confidential"),
        [
            ("192.0.2.1", {}, False),
            ("192.0.2.1", {"X-Forwarded-Proto": "https"}, False),
            ("10.0.0.1", {}, False),
            ("10.0.0.1", {"X-Forwarded-Proto": "https"}, True),
            ("10.0.0.1", {"X-Forwarded-Proto": "http"}, False),
            ("10.0.0.1", {"X-Forwarded-Proto": "http, https"}, False),
            ("127.0.0.1", {}, True),
            ("::1", {}, True),
            ("127.0.0.1", {"X-Forwarded-Proto": "http"}, False),
            ("127.0.0.1", {"X-Forwarded-Proto": "https"}, True),
            ("127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, False),
            ("127.0.0.1", {"Forwarded": "for=192.0.2.1"}, False),
        ],
    )
    def test_what_nobody_on_the_way_could_read(
        self, peer: str, headers: dict[str, str], confidential: bool
    ) -> None:
        found = signalling(request(peer, headers, (*PROXY, "127.0.0.0/8")))
        assert found.is_confidential is confidential and found.description

    @pytest.mark.parametrize(
        ("peer", "headers", "https"),
        [
            ("192.0.2.1", {"X-Forwarded-Proto": "https"}, False),
            ("10.0.0.1", {"X-Forwarded-Proto": "https"}, True),
            ("10.0.0.1", {"X-Forwarded-Proto": "http, https"}, False),
            ("127.0.0.1", {}, False),
            ("127.0.0.1", {"X-Forwarded-Proto": "HTTPS"}, True),
        ],
    )
    def test_whether_the_browser_came_over_https(
        self, peer: str, headers: dict[str, str], https: bool
    ) -> None:
        assert is_https(request(peer, headers, (*PROXY, "127.0.0.0/8"))) is https
