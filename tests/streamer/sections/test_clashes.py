from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from streamer.errors import ConfigError, Finding


def findings(**tables: dict[str, Any]) -> list[Finding]:
    # Of what is not said, nothing must be in the way.
    listening = {"http": "127.0.0.1:1", "srt": "127.0.0.1:2", "webrtc": "127.0.0.1:3"}
    document = {name: {"listen": listen} | tables.pop(name, {}) for name, listen in listening.items()}
    try:
        parse(document | tables)
    except ConfigError as error:
        return error.findings
    return []


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("http", "127.0.0.1:8080"), ("webrtc", "127.0.0.1:8080"), "TCP port 8080"),
        (("srt", "127.0.0.1:8890"), ("webrtc", "127.0.0.1:8890"), "UDP port 8890"),
        (("http", "127.0.0.1:8080"), ("webrtc", "0.0.0.0:8080"), "TCP port 8080"),
        (("http", ":8080"), ("webrtc", "127.0.0.1:8080"), "TCP port 8080"),
        (("http", "localhost:8080"), ("webrtc", "[::1]:8080"), "TCP port 8080"),
        (("http", "[0:0::1]:8080"), ("webrtc", "[::1]:8080"), "TCP port 8080"),
        (("srt", "[::]:8890"), ("webrtc", "127.0.0.1:8890"), "UDP port 8890"),
        (("srt", "localhost:8890"), ("webrtc", "localhost:8890"), "UDP port 8890"),
    ],
)
def test_two_listeners_on_one_port(one: tuple[str, str], other: tuple[str, str], shared: str) -> None:
    (finding,) = findings(**{name: {"listen": listen} for name, listen in (one, other)})
    assert finding.key == "webrtc.listen"
    assert finding.expected == f"{shared} is taken by {one[0]}.listen; expected another port"


def test_rtmp_on_every_address_is_on_those_of_ipv4() -> None:
    (finding,) = findings(http={"listen": "127.0.0.1:1935"}, rtmp={"listen": "[::]:1935"})
    assert finding.key == "rtmp.listen"
    assert finding.expected == "TCP port 1935 is taken by http.listen; expected another port"


def test_rtsp_is_a_listener_too() -> None:
    (finding,) = findings(rtmp={"listen": "127.0.0.1:1935"}, rtsp={"listen": "0.0.0.0:1935"})
    assert finding.key == "rtsp.listen"
    assert finding.expected == "TCP port 1935 is taken by rtmp.listen; expected another port"


def test_rtsp_has_two_udp_ports_beside_it() -> None:
    for listen in ("127.0.0.1:8553", "127.0.0.1:8554"):
        (finding,) = findings(webrtc={"listen": "127.0.0.1:8555"}, rtsp={"listen": listen})
        assert finding.expected == "UDP port 8555 is taken by webrtc.listen; expected another port"
        assert findings(webrtc={"listen": "127.0.0.1:8555"}, rtsp={"listen": listen, "udp": False}) == []
    (finding,) = findings(rtsp={"listen": "127.0.0.1:65535"})
    assert "expected a lower one, or udp = false" in finding.expected


def test_the_plain_listener_is_one_too() -> None:
    tls = {"tls_cert": "/cert.pem", "tls_key": "/key.pem"}
    (finding,) = findings(http={"listen": "0.0.0.0:443", "redirect_from": "127.0.0.1:443", **tls})
    assert (finding.key, finding.value) == ("http.redirect_from", "'127.0.0.1:443'")
    assert "TCP port 443 is taken by http.listen" in finding.expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("http", "127.0.0.1:8080"), ("srt", "127.0.0.1:8080")),  # TCP and UDP
        (("http", "127.0.0.1:8080"), ("webrtc", "127.0.0.2:8080")),
        (("http", "0.0.0.0:8080"), ("webrtc", "[::]:8080")),
        (("http", "127.0.0.1:0"), ("webrtc", "127.0.0.1:0")),  # any that is free
    ],
)
def test_listeners_that_are_in_nobody_s_way(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert findings(**{name: {"listen": listen} for name, listen in (one, other)}) == []


def test_media_on_localhost_is_on_one_address() -> None:
    assert parse({"webrtc": {"listen": "localhost:8189"}}).webrtc.listen == "127.0.0.1:8189"
