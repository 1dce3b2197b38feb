from __future__ import annotations

import pytest

from streamer.config import parse
from tests.streamer.sections.findings import finding


def test_the_defaults_are_those_of_the_library() -> None:
    config = parse({}).auth
    assert (config.password_min_characters, config.confirm_after_s) == (12, 600.0)
    assert (config.session_idle_s, config.session_max_s) == (12 * 3600.0, 7 * 86_400.0)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("password_min_characters", 4, "greater than or equal to 8"),
        ("session_idle_s", 1, "greater than or equal to 60"),
        ("session_max_s", 3600, "at most session_max_s"),
        ("confirm_after_s", "soon", "number"),
    ],
)
def test_what_cannot_be(key: str, value: object, expected: str) -> None:
    assert expected in finding("auth", {key: value})
