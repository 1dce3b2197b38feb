"""Requests that depend on what their sender knows of a thing (RFC 9110 section 13.1)."""

from __future__ import annotations

import re

from aiohttp import web

# Section 8.8.3; in a list, tags may hold commas.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\U0010ffff]*")')


def names_tag(request: web.Request, header: str, etag: str) -> bool:
    """Whether a condition names what there is: by `*`, or by its tag in a list.

    Tags are compared weakly (section 8.8.3.2), in `If-Match` too: a proxy that compresses makes them weak.

    Args:
        request: with the condition or without, which names nothing.
        header: `If-Match` or `If-None-Match`.
        etag: the tag of what there is, a strong one.
    """
    # A list may be spread over several lines (section 5.3).
    tags = ",".join(request.headers.getall(header, []))
    return tags.strip() == "*" or etag in _TAG.findall(tags)
