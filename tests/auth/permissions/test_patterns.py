from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import BadGrant
from auth.permissions.patterns import check_pattern, covers, matches

_NAMES = st.from_regex(r"[ab][ab.-]{0,4}", fullmatch=True)
_PATTERNS = st.one_of(_NAMES, _NAMES.map(lambda name: name + "*"), st.just("*"))


@pytest.mark.parametrize(
    ("pattern", "stream", "expected"),
    [
        ("cam", "cam", True),
        ("cam", "Cam", False),
        ("cam", "cam2", False),
        ("cam", "", False),
        ("studio-*", "studio-1", True),
        ("studio-*", "studio-", True),
        ("studio-*", "studio", False),
        ("studio-*", "Studio-1", False),
        ("studio-*", "", False),
        ("*", "anything", True),
        ("*", "", True),
        # A dot is a dot.
        ("a.b", "axb", False),
    ],
)
def test_matches(pattern: str, stream: str, expected: bool) -> None:
    assert matches(pattern, stream) is expected


@pytest.mark.parametrize("pattern", ["cam", "a.b_c-9", "studio-*", "*", "x" * 64, "x" * 64 + "*"])
def test_patterns(pattern: str) -> None:
    assert check_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern", ["", "**", "a*b", "*a", "-a", ".", "a b", "a/b", "?", "[a]", "x" * 65, "cam\n", "ä"]
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(BadGrant, match="expected a stream's name"):
        check_pattern(pattern)


@given(_PATTERNS, _PATTERNS, _NAMES)
def test_who_covers_a_pattern_matches_all_it_matches(outer: str, inner: str, name: str) -> None:
    if covers(outer, inner) and matches(inner, name):
        assert matches(outer, name)
    if covers(outer, inner) and matches(inner, ""):
        assert matches(outer, "")


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("*", "*", True),
        ("*", "cam", True),
        ("studio-*", "studio-1", True),
        ("studio-*", "studio-1*", True),
        ("studio-*", "studio-*", True),
        ("studio-1*", "studio-*", False),
        ("studio-*", "*", False),
        ("cam", "cam*", False),
        ("cam", "cam", True),
    ],
)
def test_covers(outer: str, inner: str, expected: bool) -> None:
    assert covers(outer, inner) is expected
