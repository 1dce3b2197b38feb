from __future__ import annotations

from typing import Any

import pytest

from streamer.config import parse
from streamer.errors import ConfigError
from streamer.relay.destination import Destination, Settings, When, fixed_destinations
from streamer.relay.errors import RelayRefused
from streamer.sections.stream import StreamConfig

KEY = "stream-key-123456"
ENCRYPTED = {"passphrase": "correct horse battery", "encryption": "aes-256"}


def stream(relays: list[dict[str, Any]] | None = None, **table: Any) -> StreamConfig:
    return parse({"streams": {"cam": {"relays": relays or [], **table}}}).streams["cam"]


def found(relays: list[dict[str, Any]], **table: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        stream(relays, **table)
    assert KEY not in str(caught.value)
    return str(caught.value)


def test_the_relays_of_a_configuration() -> None:
    one, two = fixed_destinations(
        "cam",
        stream(
            [
                {"url": "RTMP://live.example/app", "key": KEY, "when": "publishing"},
                {"url": "srt://192.0.2.1:9000", "name": "far", "when": "manual", "latency_ms": 500},
            ]
        ),
    )
    assert (one.id, one.stream, one.fixed) == ("cam:live.example", "cam", True)
    assert (one.settings.url, one.settings.when) == ("rtmp://live.example/app", When.PUBLISHING)
    assert one.key.get_secret_value() == KEY
    assert (two.id, two.settings.when, two.settings.latency_ms) == ("cam:far", When.MANUAL, 500)


@pytest.mark.parametrize(
    ("relay", "expected"),
    [
        ({"url": "http://live.example/app"}, "rtmps://host/app"),
        ({"url": "rtmp://live.example/app"}, "expected key"),
        ({"url": f"rtmp://user:{KEY}@live.example/app", "key": "x"}, "not supported"),
        ({"url": "rtmp://live.example/app", "key": KEY, "passphrase": "long enough by far"}, "srt:// only"),
        ({"url": "rtmp://live.example/app", "key": KEY, "tls_ca_file": "/x.pem"}, "rtmps:// only"),
        ({"url": "srt://192.0.2.1:9", "passphrase": "short"}, "10-79 bytes"),
        ({"url": "srt://192.0.2.1:9?streamid=a", "key": KEY}, "streamid"),
        ({"url": "rtmp://live.example/app", "key": KEY, "colour": 1}, "expected one of url, key, when"),
        ({"url": f"rtmp://live.example/app/{KEY}", "when": "never"}, "publishing"),
    ],
)
def test_what_a_configuration_cannot_say(relay: dict[str, Any], expected: str) -> None:
    assert expected in found([relay])


def test_two_of_one_name() -> None:
    relay = {"url": "rtmp://live.example/app", "key": KEY}
    assert "two relays are called 'live.example'" in found([relay, relay])


@pytest.mark.parametrize(
    ("relay", "expected"),
    [
        ({"url": "rtmp://live.example/app", "key": KEY}, "rtmps://"),
        ({"url": "srt://192.0.2.1:9"}, "passphrase"),
        ({"url": "srt://192.0.2.1:9", "passphrase": "long enough by far", "pbkeylen": 16}, "at least 32"),
    ],
)
def test_a_relay_holds_its_streams_floor(relay: dict[str, Any], expected: str) -> None:
    assert expected in found([relay], **ENCRYPTED)
    stream([relay])


def test_what_holds_it() -> None:
    stream(
        [
            {"url": "rtmps://live.example/app", "key": KEY},
            {"url": "srt://192.0.2.1:9", "passphrase": "long enough by far"},
        ],
        **ENCRYPTED,
    )


def test_a_stream_encrypted_end_to_end_is_relayed_only_when_it_says_so() -> None:
    relay = {"url": "rtmps://live.example/app", "key": KEY}
    assert "clear_relays = true" in found([relay], e2e=True)
    stream([relay], e2e=True, clear_relays=True)
    kept = Destination(id="1", stream="cam", name="one", settings=Settings(url=relay["url"]), key=KEY)  # type: ignore[arg-type]
    with pytest.raises(RelayRefused, match="clear_relays"):
        kept.check(stream(e2e=True))
    kept.check(stream(e2e=True, clear_relays=True))


@pytest.mark.parametrize(
    ("url", "key", "shown"),
    [
        ("rtmp://live.example/app", KEY, "rtmp://live.example/app"),
        (f"rtmp://live.example/app/{KEY}", "", "rtmp://live.example/app/***"),
        (f"rtmps://[2001:db8::1]:444/app?token={KEY}", "k", "rtmps://[2001:db8::1]:444/app"),
        (f"srt://192.0.2.1:9000?streamid={KEY}&passphrase=long-enough-{KEY}", "", "srt://192.0.2.1:9000"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, key: str, shown: str) -> None:
    destination = Destination(id="1", stream="cam", name="one", settings=Settings(url=url), key=key)  # type: ignore[arg-type]
    assert destination.shown_url == shown


def test_changing_relays_does_not_start_a_stream_over() -> None:
    relay = {"url": "rtmp://live.example/app", "key": KEY}
    assert stream().allows_in_place(stream([relay]))
