"""SRT: encrypted live transport over UDP, through Debian's libsrt.

`wire.py` reads stream ids and URLs, `endpoint.py` listens, `caller.py` calls, `connection.py` is what
comes of either, `push.py` sends a stream over one; `libsrt.py` and `abi.py` are the binding below them.
"""

from transport.srt.caller import ConnectError, connect
from transport.srt.connection import SrtConnection, send_to_all
from transport.srt.endpoint import Admission, Refused, SrtListener, WeakKey
from transport.srt.options import SrtOptions
from transport.srt.push import SrtPush
from transport.srt.statistics import SrtStatistics
from transport.srt.wire import (
    Mode,
    RejectReason,
    SrtTarget,
    StreamId,
    parse_srt_url,
    parse_stream_id,
    serialize_stream_id,
)

__all__ = [
    "Admission",
    "ConnectError",
    "Mode",
    "Refused",
    "RejectReason",
    "SrtConnection",
    "SrtListener",
    "SrtOptions",
    "SrtPush",
    "SrtStatistics",
    "SrtTarget",
    "StreamId",
    "WeakKey",
    "connect",
    "parse_srt_url",
    "parse_stream_id",
    "send_to_all",
    "serialize_stream_id",
]
