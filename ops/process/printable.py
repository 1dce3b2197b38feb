"""Text of others for a terminal: what would move its cursor, colour it or begin a line is spelt out."""

from __future__ import annotations

import json


def printable(text: str, keep: str = "") -> str:
    r"""The text with everything that is not printed, such as escapes and line breaks, as `\x1b` and `\n`.

    Args:
        text: any.
        keep: what is left as it is all the same.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each in keep or each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


def printable_json(text: str) -> str:
    r"""JSON that says the same, with what is not printed as `\u202e`; line breaks between values stay."""
    return "".join(each if each == "\n" or each.isprintable() else json.dumps(each)[1:-1] for each in text)
