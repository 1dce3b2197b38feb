from __future__ import annotations

import pytest

from streamer.config import parse
from tests.streamer.sections.findings import finding


def test_how_browsers_reach_the_server() -> None:
    assert parse({}).http.origin == ""
    assert parse({"http": {"public_url": "https://Live.example/"}}).http.origin == "https://live.example"
    acme = {"acme_domain": "live.example.com", "redirect_from": "0.0.0.0:80"}
    for listen, origin in (
        ("0.0.0.0:443", "https://live.example.com"),
        ("0.0.0.0:8443", "https://live.example.com:8443"),
    ):
        assert parse({"http": {**acme, "listen": listen}}).http.origin == origin


@pytest.mark.parametrize(
    "url", ["live.example", "ftp://live.example", "https://a.example/path", "https://u@a"]
)
def test_what_is_no_such_address(url: str) -> None:
    assert "how browsers reach" in finding("http", {"public_url": url})
