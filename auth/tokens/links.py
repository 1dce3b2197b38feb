"""Links for sharing: a page or endpoint of this server with a signed token in them.

The token is what is signed, and carries what the link allows, how long and how often (`auth.tokens.tokens`).
A link to a page has it in the fragment, which browsers send to nobody: it is in no log, no proxy and no
Referer. A program cannot be given a fragment, so a WHEP or WHIP link has it in the query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from auth.errors import BadGrant
from auth.permissions.actions import Action
from auth.permissions.patterns import EVERYTHING, check_pattern
from auth.tokens.claims import MAX_TOKEN_CHARACTERS

_PARAMETER = "token"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SECRET = re.compile(r"(?i)([?&#;](?:token|key|secret|password|passphrase|s)=)[^&#;\s\"']+")
_MAX_LINK_CHARACTERS = MAX_TOKEN_CHARACTERS + 2048


class Target(StrEnum):
    """What a link opens; the value is the path before the stream's name."""

    WATCH = "watch"
    EMBED = "embed"
    PUBLISH = "publish"
    WHEP = "whep"
    WHIP = "whip"

    @property
    def is_page(self) -> bool:
        """Whether a browser opens it, which keeps a fragment to itself."""
        return self not in (Target.WHEP, Target.WHIP)

    @property
    def action(self) -> Action:
        """What its token must allow."""
        return Action.PUBLISH if self in (Target.PUBLISH, Target.WHIP) else Action.WATCH


@dataclass(frozen=True, slots=True)
class Link:
    """A link taken apart.

    Attributes:
        base: scheme, host and the path before the target, without a slash at the end.
        token: "" when it carries none.
    """

    base: str
    target: Target
    stream: str
    token: str = field(default="", repr=False)


def build_link(link: Link) -> str:
    """The link as text.

    Raises:
        ValueError: its base, stream or token is none; the text quotes no token.
    """
    base = urlsplit(link.base)
    if (
        base.scheme not in ("http", "https")
        or not base.hostname
        or base.query
        or base.fragment
        or base.username
    ):
        raise ValueError("base of a link: expected http(s)://host[:port][/path]")
    _check_stream(link.stream)
    path = f"{base.path.rstrip('/')}/{link.target}/{quote(link.stream, safe='')}"
    if not link.token:
        return urlunsplit((base.scheme, base.netloc, path, "", ""))
    if len(link.token) > MAX_TOKEN_CHARACTERS or not _TOKEN.fullmatch(link.token):
        raise ValueError("token of a link: expected a JWT")
    carried = f"{_PARAMETER}={link.token}"
    query, fragment = ("", carried) if link.target.is_page else (carried, "")
    return urlunsplit((base.scheme, base.netloc, path, query, fragment))


def parse_link(text: str) -> Link:
    """A link taken apart; what the token says must still be verified.

    Raises:
        ValueError: no link of ours, or more than one token; the text quotes no token.
    """
    if len(text) > _MAX_LINK_CHARACTERS:
        raise ValueError(f"a link has {_MAX_LINK_CHARACTERS} characters at most")
    url = urlsplit(text.strip())
    steps = url.path.split("/")
    if url.scheme not in ("http", "https") or not url.hostname or url.username or len(steps) < 3:
        raise ValueError("expected a link such as https://host/watch/NAME#token=…")
    try:
        target = Target(steps[-2])
    except ValueError:
        raise ValueError(f"expected a link to {', '.join(Target)}") from None
    stream = unquote(steps[-1])
    _check_stream(stream)
    carried = [
        value
        for part in (url.query, url.fragment)
        for name, value in parse_qsl(part, keep_blank_values=True)
        if name == _PARAMETER
    ]
    if len(carried) > 1:
        raise ValueError("expected one token in a link, not several")
    if carried and not _TOKEN.fullmatch(carried[0]):
        raise ValueError("token of a link: expected a JWT")
    base = urlunsplit((url.scheme, url.netloc, "/".join(steps[:-2]), "", ""))
    return Link(base, target, stream, carried[0] if carried else "")


def redact(text: str) -> str:
    """A URL, or a text with some in it, without the secrets of queries and fragments; for logs."""
    return _SECRET.sub(r"\1***", text)


def _check_stream(stream: str) -> None:
    try:
        check_pattern(stream)
    except BadGrant:
        raise ValueError("stream of a link: expected a stream's name") from None
    if stream.endswith(EVERYTHING):
        raise ValueError("stream of a link: expected one stream's name, not a pattern")
