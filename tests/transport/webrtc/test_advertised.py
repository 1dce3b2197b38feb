from __future__ import annotations

import pytest

from transport.webrtc.advertised import Advertised


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("203.0.113.7", Advertised("203.0.113.7")),
        (" 203.0.113.7:443 ", Advertised("203.0.113.7", 443)),
        ("live.example.org", Advertised("live.example.org")),
        ("live.example.org:8189", Advertised("live.example.org", 8189)),
        ("2001:db8::1", Advertised("2001:db8::1")),
        ("[2001:db8::1]", Advertised("2001:db8::1")),
        ("[2001:db8::1]:443", Advertised("2001:db8::1", 443)),
    ],
)
def test_forms(entry, expected):
    assert Advertised.parse(entry) == expected


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ":443",
        "a b",
        "host:",
        "host:0",
        "host:65536",
        "host:٣",
        "[::1",
        "[::1]443",
        "[host]:1",
        "1:2:3",
    ],
)
def test_others_are_refused(entry):
    with pytest.raises(ValueError):
        Advertised.parse(entry)
