from __future__ import annotations

import pytest

from auth.addresses import is_safe, local_path


@pytest.mark.parametrize("path", ["/", "/watch/cam", "/watch/cam?t=1#live", "/a//b", "/ä"])
def test_places_on_this_site(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "watch",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
    ],
)
def test_other_places(path: str) -> None:
    assert local_path(path) == "/"


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://idp.example", True),
        ("https://idp.example:8443/x", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost", True),
        ("http://[::1]:1/", True),
        ("http://idp.example", False),
        ("http://localhost.evil.example", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_where_secrets_may_go(url: str, safe: bool) -> None:
    assert is_safe(url) is safe
