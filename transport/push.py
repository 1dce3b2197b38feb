"""From an address to a push: `rtmp://`, `rtmps://` and `srt://`. What one can do is said in `output.py`."""

from __future__ import annotations

import dataclasses

from transport.errors import WireError
from transport.output import Push, PushOptions
from transport.rtmp.address import parse_rtmp_url
from transport.rtmp.endpoint import RtmpPush
from transport.srt.push import SrtPush
from transport.srt.wire import MAX_STREAM_ID_BYTES, SrtTarget, parse_srt_url


def push_to(url: str, key: str = "", options: PushOptions | None = None) -> Push:
    """Make a push; nothing is sent yet.

    Args:
        url: where to: `rtmp://host/app`, `rtmps://host/app`, `srt://host:port?passphrase=…&pbkeylen=16`.
        key: RTMP's stream key, "" where the address ends with it; SRT's stream id, "" where the address has
            it as `streamid`.
        options: times and limits.

    Raises:
        WireError: says what was expected; never holds a key, passphrase or query.
    """
    scheme = url.strip().partition("://")[0].lower()
    if scheme in ("rtmp", "rtmps"):
        return RtmpPush(parse_rtmp_url(url, key), options)
    if scheme == "srt":
        return SrtPush(_srt_target(url.strip(), key.strip()), options)
    raise WireError("address: expected rtmp://, rtmps:// or srt://")


def _srt_target(url: str, key: str) -> SrtTarget:
    target = parse_srt_url(url)
    if target.mode == "listener":
        raise WireError("srt url: a push calls, expected mode=caller or rendezvous")
    if not key:
        return target
    if target.stream_id:
        raise WireError("srt url: a stream id is given in the address and beside it")
    if len(key.encode()) > MAX_STREAM_ID_BYTES or not key.isprintable():
        raise WireError(f"srt: a stream id of at most {MAX_STREAM_ID_BYTES} printable bytes is expected")
    return dataclasses.replace(target, stream_id=key)
