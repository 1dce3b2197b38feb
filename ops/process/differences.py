"""Which keys of the configuration changed; never what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from streamer.config import Config


def changed_keys(before: Config, after: Config) -> list[str]:
    """The keys whose values differ, as `srt.latency_ms` and `streams.cam.passphrase`, in their order.

    A stream that is only in one of them is named as a whole: `streams.cam`.
    """
    return list(_changed(before, after, ""))


def _changed(before: object, after: object, where: str) -> Iterator[str]:
    if before == after:
        return
    first, second = _entries(before), _entries(after)
    if first is None or second is None:
        yield where
        return
    for name in sorted(first.keys() | second.keys()):
        path = f"{where}.{name}" if where else name
        if name in first and name in second:
            yield from _changed(first[name], second[name], path)
        else:
            yield path


def _entries(value: object) -> Mapping[str, object] | None:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    return value if isinstance(value, Mapping) else None
