from __future__ import annotations

from collections.abc import Mapping

import pytest

from auth.errors import AuthUnavailable
from auth.provider_keys import Fetched, fetch_json


class Answers:
    """Answers the same to everything."""

    def __init__(self, status: int, body: bytes) -> None:
        self._fetched = Fetched(status, body)

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        assert headers["Accept"] == "application/json"
        return self._fetched


async def test_an_object() -> None:
    assert await fetch_json(Answers(200, b'{"a": 1}'), "https://idp.example") == {"a": 1}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b'{"a": 1}'),
        (302, b'{"a": 1}'),
        (200, b"[]"),
        (200, b"<html>"),
        (200, b"\xff"),
        (200, b"[" * 100_000),
        (200, b'{"a": "' + b"x" * 1_000_000 + b'"}'),
    ],
)
async def test_what_is_none(status: int, body: bytes) -> None:
    with pytest.raises(AuthUnavailable, match=r"https://idp\.example"):
        await fetch_json(Answers(status, body), "https://idp.example")
