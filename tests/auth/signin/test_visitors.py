from __future__ import annotations

import pytest

from auth.signin.visitors import Visitor


@pytest.mark.parametrize(
    ("address", "neighbourhood"),
    [
        ("192.0.2.17", "192.0.2.0/24"),
        ("::ffff:192.0.2.17", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_an_address_that_singles_out_nobody(address: str, neighbourhood: str) -> None:
    assert Visitor(address).neighbourhood == neighbourhood


_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/145.0 Safari/537.36", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {_WEBKIT} Chrome/145.0 Safari/537.36 Edg/145.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) {_WEBKIT} Version/26 Safari/605", "Safari on macOS"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 26_0) {_WEBKIT} CriOS/145.0 Safari/604", "Chrome on iOS"),
        (
            f"Mozilla/5.0 (Linux; Android 16) {_WEBKIT} SamsungBrowser/30 Chrome/140",
            "Samsung Internet on Android",
        ),
        ("curl/8.17.0", "curl"),
        ("", "something else"),
        ("x" * 100_000 + "Firefox/1", "something else"),
    ],
)
def test_as_people_would_say_it(agent: str, family: str) -> None:
    assert Visitor("", agent).agent_family == family
