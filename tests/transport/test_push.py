from __future__ import annotations

import pytest

from transport.errors import WireError
from transport.push import push_to
from transport.rtmp.endpoint import RtmpPush
from transport.srt import SrtPush


def test_the_scheme_decides() -> None:
    assert isinstance(push_to("rtmp://host/live", "key"), RtmpPush)
    assert isinstance(push_to(" RTMPS://host/live/key"), RtmpPush)
    assert isinstance(push_to("srt://host:9000", "publish:cam"), SrtPush)


@pytest.mark.parametrize(
    ("url", "key", "what"),
    [
        ("https://host/live", "key", "expected rtmp://"),
        ("srt://:9000", "", "a push calls"),
        ("srt://host:9000?streamid=a", "b", "in the address and beside it"),
        ("srt://host:9000", "b" * 600, "at most 512"),
        ("srt://host:9000?passphrase=short", "", "passphrase"),
    ],
)
def test_what_cannot_be_pushed_to_is_refused(url: str, key: str, what: str) -> None:
    with pytest.raises(WireError, match=what):
        push_to(url, key)
