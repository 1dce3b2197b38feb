"""Which stream a client means, with which secret, and which of its tracks.

A player resolves what a description calls a track against the stream's address, and where that has a query,
each does it in a way of its own: `rtsp://host/cam?token=T/trackID=0` (ffmpeg), `/cam/trackID=0?token=T`
(GStreamer), `/cam/trackID=0` (live555).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

#: Where the secret stands behind the name, whatever a client's maker calls it.
_PARAMETERS = ("key", "token", "pass")
_TRACK = re.compile(r"/(?:trackID|streamid|stream|track)=\d+/?(?=$|\?)", re.IGNORECASE)
_SERVER = r"(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?"
_ADDRESS = re.compile(_SERVER + r"(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Named:
    """What an address names.

    Attributes:
        name: of the stream: the last part of the path.
        secret: a key or a token; "" without.
    """

    name: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """What somebody presents in the way of HTTP's Basic (RFC 7617)."""

    user: str
    password: str = field(repr=False)


def parse_address(uri: str) -> Named:
    """Read the address of a stream, or of one of its tracks."""
    found = _ADDRESS.fullmatch(_TRACK.sub("", uri))
    assert found is not None  # any text has a path
    parts = [part for part in found["path"].split("/") if part]
    # What is typed into a client is no web form, where a plus would be a space.
    parameters = dict(parse_qsl((found["query"] or "").replace("+", "%2B")))
    secret = next((parameters[each] for each in _PARAMETERS if each in parameters), "")
    return Named(unquote(parts[-1]) if parts else "", secret)


def base_of(uri: str) -> str:
    """The address without its query, with a slash at the end, for tracks to be resolved against."""
    return _TRACK.sub("", uri).partition("?")[0].rstrip("/") + "/"


def find_track(uri: str, controls: Sequence[str]) -> int | None:
    """Which track a SETUP is for.

    Args:
        uri: of the request.
        controls: what the description calls the tracks; relative, or whole addresses.

    Returns:
        Its number; None where none fits.
    """
    whole = uri.rstrip("/")
    path = whole.partition("?")[0].rstrip("/")
    for number, control in enumerate(controls):
        wanted = control.rstrip("/")
        if wanted and (uri == control or whole.endswith(f"/{wanted}") or path.endswith(f"/{wanted}")):
            return number
    # A single one need not be called anything (section C.1.1).
    return 0 if len(controls) == 1 and controls[0] in ("", "*") else None


def parse_authorization(header: str) -> Login | None:
    """Read an Authorization header; None without one, or where it is another kind than Basic."""
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode()
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return Login(user, password) if colon else None
