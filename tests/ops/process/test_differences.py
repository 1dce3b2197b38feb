from __future__ import annotations

from typing import Any

import pytest

from ops.process.differences import changed_keys
from streamer.config import parse

SECRET = "correct horse battery"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {}, []),
        ({"srt": {"latency_ms": 200}}, {}, ["srt.latency_ms"]),
        ({"http": {"cors_origins": ["https://a.example"]}}, {}, ["http.cors_origins"]),
        ({}, {"streams": {"cam": {}}}, ["streams.cam"]),
        (
            {"streams": {"cam": {"title": "one"}, "gone": {}}},
            {"streams": {"cam": {"title": "two", "passphrase": SECRET}}},
            ["streams.cam.passphrase", "streams.cam.title", "streams.gone"],
        ),
    ],
)
def test_keys_are_named_and_values_are_not(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    assert changed_keys(parse(before), parse(after)) == expected
