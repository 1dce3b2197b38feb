"""One picture in several layers at once: what SDP says of it (RFC 8851, RFC 8853). No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

#: Header extensions that name a packet's layer, and that of a packet which is sent again (RFC 8852).
RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#: Browsers send three. Each costs us as much as a picture of its own.
_MAX_LAYERS = 4
#: As what the header extension carries (RFC 8852 section 3.1); one-byte headers hold 16.
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")


def offered_layers(attributes: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The rids that an m-line offers to send, in its order; none or several.

    Of alternatives the first counts; a layer that is paused at first is one nevertheless.

    Args:
        attributes: (name, value) of the m-line's `a=` lines.
    """
    sent: set[str] = set()
    wanted: list[str] = []
    for name, value in attributes:
        words = value.split()
        if name == "rid" and words[1:2] == ["send"]:
            sent.add(words[0])
        elif name == "simulcast" and "send" in words[:-1]:
            streams = words[words.index("send") + 1].split(";")
            wanted = [stream.split(",")[0].removeprefix("~") for stream in streams]
    layers = tuple(dict.fromkeys(rid for rid in wanted if rid in sent and _RID.fullmatch(rid)))[:_MAX_LAYERS]
    return layers if len(layers) > 1 else ()


def accepted_layers(layers: Sequence[str]) -> Iterator[str]:
    """The answer's lines that accept these; none for no layers."""
    for rid in layers:
        yield f"a=rid:{rid} recv"
    if layers:
        yield f"a=simulcast:recv {';'.join(layers)}"
