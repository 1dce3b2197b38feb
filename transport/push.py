"""From an address to a push: `rtmp://` and `rtmps://`. What one can do is said in `output.py`."""

from __future__ import annotations

from transport.errors import WireError
from transport.output import Push, PushOptions
from transport.rtmp.address import parse_rtmp_url
from transport.rtmp.endpoint import RtmpPush


def push_to(url: str, key: str = "", options: PushOptions | None = None) -> Push:
    """Make a push; nothing is sent yet.

    Args:
        url: where to.
        key: RTMP's stream key; "" where the address ends with it.
        options: times and limits.

    Raises:
        WireError: says what was expected; never holds a key, passphrase or query.
    """
    scheme = url.strip().partition("://")[0].lower()
    if scheme in ("rtmp", "rtmps"):
        return RtmpPush(parse_rtmp_url(url, key), options)
    raise WireError("address: expected rtmp://, rtmps:// or srt://")
