"""Holds HTTP to a stream's `encryption`: what is shown or agreed over it must not be open to the way.

A WHEP answer carries the fingerprint of our DTLS certificate. Whoever can change it on the way can get
between server and viewer, whatever cipher they then agree on.
"""

from __future__ import annotations

from aiohttp import web

from streamer.hub.stream import Stream
from streamer.web.origin import signalling
from streamer.web.problems import Problem


def require_confidential(request: web.Request, stream: Stream) -> None:
    """Let a request through that travelled as the stream's `encryption` demands.

    Raises:
        Problem: 403, plain HTTP from another machine, or TLS with too short a key.
    """
    floor = stream.config.encryption
    if not floor:
        return
    found = signalling(request)
    if not found.is_confidential:
        raise Problem(
            403,
            "encryption_required",
            f'{stream.name!r} demands encryption = "{floor}"; use https://, this is {found.description}',
        )
    # Any cipher of that strength: ChaCha20-Poly1305 is what some machines prefer to AES-256.
    if 0 < found.key_bits < floor.key_bytes * 8:
        raise Problem(
            403,
            "encryption_required",
            f'{stream.name!r} demands encryption = "{floor}", this connection has {found.description}',
        )
