from __future__ import annotations

import pytest

from tests.transport.rtsp.keys import KEY, POLICY, management, mikey
from transport.errors import WireError
from transport.rtsp.mikey import parse_key


def test_the_key_is_read() -> None:
    assert parse_key(management(mikey())) == KEY
    assert parse_key(management(mikey(policy=b""))) == KEY
    assert parse_key(management(mikey() + b"\0")) == KEY  # some pad it
    assert parse_key(management(mikey(kind=3, key=KEY[:16], salt=KEY[16:]))) == KEY


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (mikey(policy=POLICY.replace(b"\x01\x01\x10", b"\x01\x01\x20")), r"expected AES-128 .*policy 1: 32"),
        (mikey(policy=b"\x07\x01\x00"), "policy 7: 0"),
        (mikey(key=KEY[:29]), "29 bytes of key and salt, expected 30"),
        (mikey(kind=0), "expected one key for packets"),
        (mikey(validity=1), "expected one key for packets"),
        (mikey(rollovers=1), "without rollovers"),
        (mikey(protections=(1, 0)), "the key is encrypted"),
        (mikey(protections=(0, 1)), "the key has a MAC"),
        (mikey()[:2] + b"\x0a" + mikey()[3:], "mikey"),
        (b"\x02" + mikey()[1:], "expected version 1"),
        (mikey()[:2] + b"\0" + mikey()[3:], "without a key"),
        (mikey()[:2] + b"\x07" + mikey()[3:], "payload 7 is not supported"),
        (b"", "ends too early"),
    ],
)
def test_others_are_refused(message: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why) as caught:
        parse_key(management(message))
    assert KEY.hex() not in str(caught.value)


@pytest.mark.parametrize("text", ["", "mikey", "mikey !", "sdes AAAA"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_key(text)


def test_it_may_end_anywhere() -> None:
    whole = mikey()
    for size in range(len(whole)):
        with pytest.raises(WireError):
            parse_key(management(whole[:size]))
