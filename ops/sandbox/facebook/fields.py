"""`fields=id,ingest_streams{stream_health}`: which fields of an object are wanted, and of what it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ops.sandbox.facebook.errors import bad_parameter

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|[{},]|\.[a-z_]+\([^)]*\))")
_MAX_DEPTH = 5

#: What is wanted of each field's own value; empty: its usual fields.
Fields = dict[str, "Fields"]


def parse_fields(text: str) -> Fields:
    """Read a list of fields.

    Raises:
        Refusal: it cannot be read.
    """
    tokens = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise bad_parameter(f"Syntax error at offset {at} of fields")
        tokens.append(match[1])
        at = match.end()
    fields, rest = _list(tokens, 0)
    if rest:
        raise bad_parameter(f"Syntax error: unexpected '{rest[0]}' in fields")
    return fields


def chosen(values: Mapping[str, Any], fields: Fields, node: str) -> dict[str, Any]:
    """The fields that are wanted of an object; its id comes along.

    Args:
        values: everything it has; what is None is left out.
        fields: what is wanted.
        node: its type, for the error.

    Raises:
        Refusal: a field that objects of this type do not have.
    """
    found: dict[str, Any] = {}
    for name, inner in fields.items():
        if name not in values:
            raise bad_parameter(f"Tried accessing nonexisting field ({name}) on node type ({node})")
        value = values[name]
        if isinstance(value, list) and inner:
            value = [chosen(entry, inner, node) for entry in value]
        elif isinstance(value, dict) and inner:
            value = chosen(value, inner, node)
        if value is not None:
            found[name] = value
    if "id" in values:
        found.setdefault("id", values["id"])
    return found


def _list(tokens: list[str], depth: int) -> tuple[Fields, list[str]]:
    if depth > _MAX_DEPTH:
        raise bad_parameter("fields are nested too deeply")
    fields: Fields = {}
    while tokens and tokens[0] != "}":
        name, *tokens = tokens
        if not name[0].isalpha() and name[0] != "_":
            raise bad_parameter(f"Syntax error: expected a name, got '{name}' in fields")
        inner: Fields = {}
        while tokens and tokens[0].startswith("."):  # .limit(5) and the like
            tokens = tokens[1:]
        if tokens[:1] == ["{"]:
            inner, tokens = _list(tokens[1:], depth + 1)
            if tokens[:1] != ["}"]:
                raise bad_parameter("Syntax error: expected '}' in fields")
            tokens = tokens[1:]
        fields[name] = inner
        if tokens[:1] == [","]:
            tokens = tokens[1:]
    return fields, tokens
