"""Which streams a grant or a token is for.

A pattern is one of three things, compared case by case:

    cam          the stream of exactly this name
    studio-*     every stream whose name begins so; the star stands at the end only
    *            every stream, and the server as a whole

What is asked of the server as a whole (accounts, the audit log, all statistics) has the stream "", which no
pattern but `*` matches.
"""

from __future__ import annotations

import re

from auth.errors import BadGrant

EVERYTHING = "*"
#: A stream's name has at most 64 characters.
MAX_CHARACTERS = 65

_PATTERN = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}\*?")


def check_pattern(pattern: str) -> str:
    """The pattern itself, if it is one.

    Raises:
        BadGrant: it could never match, or means something else than it seems to.
    """
    if not _PATTERN.fullmatch(pattern):
        raise BadGrant(
            f"{pattern[:80]!r} is no stream pattern; expected a stream's name, the beginning of one followed "
            "by '*' (studio-*), or '*'"
        )
    return pattern


def matches(pattern: str, stream: str) -> bool:
    """Whether a stream, or the server for "", is meant by the pattern."""
    if pattern == EVERYTHING:
        return True
    if pattern.endswith("*"):
        return stream.startswith(pattern[:-1])
    return bool(stream) and pattern == stream


def covers(outer: str, inner: str) -> bool:
    """Whether everything that `inner` can match is matched by `outer`."""
    if outer == EVERYTHING or outer == inner:
        return True
    # Without its star `inner` is its own shortest match, and "*" without it is "", which only "*" covers.
    return outer.endswith("*") and inner.rstrip("*").startswith(outer[:-1])
