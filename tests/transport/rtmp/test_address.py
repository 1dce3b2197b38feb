from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.rtmp.address import RtmpTarget, parse_rtmp_url


@pytest.mark.parametrize(
    ("url", "key", "expected"),
    [
        ("rtmp://host/live", "k", RtmpTarget(False, "host", 1935, "live", "k")),
        ("rtmps://host/live/", "k", RtmpTarget(True, "host", 443, "live", "k")),
        ("RTMPS://host:444/app/instance", "k", RtmpTarget(True, "host", 444, "app/instance", "k")),
        ("rtmp://host/live2?backup=1", "k", RtmpTarget(False, "host", 1935, "live2?backup=1", "k")),
        ("rtmp://host/live/k?x=1", "", RtmpTarget(False, "host", 1935, "live", "k?x=1")),
        ("rtmp://host/app/instance/k", "", RtmpTarget(False, "host", 1935, "app/instance", "k")),
        ("rtmp://[::1]:1936/live", " k?a=b/c ", RtmpTarget(False, "::1", 1936, "live", "k?a=b/c")),
    ],
)
def test_addresses(url: str, key: str, expected: RtmpTarget) -> None:
    assert parse_rtmp_url(url, key) == expected


@pytest.mark.parametrize(
    ("url", "key", "what"),
    [
        ("http://host/live", "k", "expected rtmp://"),
        ("rtmp:host", "k", "expected rtmp://"),
        ("rtmp://host", "k", "no application"),
        ("rtmp://host/live", "", "no application"),
        ("rtmp://host/?x=1", "", "no application"),
        ("rtmp://host:0/live", "k", "port 0"),
        ("rtmp://host:70000/live", "k", "port 70000"),
        ("rtmp://:1935/live", "k", "expected host"),
        ("rtmp://::1/live", "k", "brackets"),
        ("rtmp://user:word@host/live", "k", "not supported"),
        ("rtmp://host/live", "k\n", None),
        ("rtmp://host/li\0ve", "k", "printable"),
        ("rtmp://host/live", "k" * 5000, "at most 4096"),
    ],
)
def test_what_is_no_address_is_refused_with_what_was_expected(url: str, key: str, what: str | None) -> None:
    if what is None:
        assert parse_rtmp_url(url, key.strip()).key == "k"
        return
    with pytest.raises(WireError, match=what):
        parse_rtmp_url(url, key)


def test_the_command_gets_the_query_and_people_do_not() -> None:
    target = parse_rtmp_url("rtmps://host:444/live2?token=secret", "my-key")
    assert target.tc_url == "rtmps://host:444/live2?token=secret"
    assert str(target) == "rtmps://host:444/live2"
    assert parse_rtmp_url("rtmp://[::1]:1935/a", "k").tc_url == "rtmp://[::1]/a"
    for text in (repr(target), str(target)):
        assert "my-key" not in text
        assert "secret" not in text


def test_what_a_server_repeats_is_redacted() -> None:
    target = parse_rtmp_url("rtmp://host/live?token=secret", "my-key?b=1")
    assert target.redact("no my-key?b=1\n in live?token=secret, my-key") == "no … in live?…, …"
    assert len(target.redact("x" * 1000)) == 200
