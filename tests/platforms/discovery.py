"""Answers held against Google's own description of them: fields, types and values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_PYTHON = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


def departures(document: dict[str, Any], schema: str, value: Any) -> list[str]:
    """What an answer has that the discovery document does not know, or knows otherwise."""
    return list(_walk(document["schemas"], {"$ref": schema}, value, schema))


def _walk(schemas: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema["type"]
    if not isinstance(value, _PYTHON[kind]) or (kind == "integer" and isinstance(value, bool)):
        yield f"{where}: {kind} expected, got {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if schema.get("format") in {"uint64", "int64"} and not value.isdigit():
        yield f"{where}: digits expected, got {value!r}"
    if kind == "array":
        for i, entry in enumerate(value):
            yield from _walk(schemas, schema["items"], entry, f"{where}[{i}]")
    if kind == "object":
        for name, entry in value.items():
            known = schema.get("properties", {}).get(name)
            if known is None:
                yield f"{where}.{name}: no such field"
            else:
                yield from _walk(schemas, known, entry, f"{where}.{name}")
