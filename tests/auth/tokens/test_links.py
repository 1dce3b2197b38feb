from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.tokens.links import Link, Target, build_link, parse_link, redact

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJvbmUifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (
            Link("https://live.example", Target.WATCH, "cam", TOKEN),
            f"https://live.example/watch/cam#token={TOKEN}",
        ),
        (
            Link("https://live.example", Target.EMBED, "cam", TOKEN),
            f"https://live.example/embed/cam#token={TOKEN}",
        ),
        (
            Link("http://[::1]:8080", Target.WHEP, "a.b-c", TOKEN),
            f"http://[::1]:8080/whep/a.b-c?token={TOKEN}",
        ),
        (
            Link("https://live.example/tv", Target.WHIP, "cam", TOKEN),
            f"https://live.example/tv/whip/cam?token={TOKEN}",
        ),
        (
            Link("https://live.example", Target.PUBLISH, "cam", TOKEN),
            f"https://live.example/publish/cam#token={TOKEN}",
        ),
        (Link("https://live.example", Target.WATCH, "cam"), "https://live.example/watch/cam"),
    ],
)
def test_there_and_back(link: Link, text: str) -> None:
    assert build_link(link) == text
    assert parse_link(text) == link
    assert TOKEN not in repr(link)


def test_a_slash_at_the_end_of_the_base() -> None:
    assert build_link(Link("https://live.example/", Target.WATCH, "cam")) == "https://live.example/watch/cam"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (Link("ftp://live.example", Target.WATCH, "cam"), "base of a link"),
        (Link("https://", Target.WATCH, "cam"), "base of a link"),
        (Link("https://user@live.example", Target.WATCH, "cam"), "base of a link"),
        (Link("https://live.example?a", Target.WATCH, "cam"), "base of a link"),
        (Link("https://live.example#a", Target.WATCH, "cam"), "base of a link"),
        (Link("https://live.example", Target.WATCH, "../etc"), "a stream's name"),
        (Link("https://live.example", Target.WATCH, "cam*"), "not a pattern"),
        (Link("https://live.example", Target.WATCH, "cam", "no token"), "expected a JWT"),
    ],
)
def test_what_cannot_be_built(link: Link, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        build_link(link)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "watch/cam",
        "javascript:alert(1)",
        "https://live.example/",
        "https://live.example/admin/cam",
        "https://live.example/watch/",
        "https://live.example/watch/..%2Fetc",
        "https://live.example/watch/*",
        "https://user:pw@live.example/watch/cam",
        "https://[live/watch/cam",
        f"https://live.example/watch/cam?token={TOKEN}#token={TOKEN}",
        "https://live.example/watch/cam#token=hidden",
        "https://live.example/watch/cam#token=" + "a" * 20_000,
    ],
)
def test_what_is_no_link_of_ours(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|at most|Invalid") as refusal:
        parse_link(text)
    assert "hidden" not in str(refusal.value)


@given(st.text(max_size=80))
def test_garbage_ends_in_the_documented_error(text: str) -> None:
    for candidate in (text, f"https://live.example/watch/{text}"):
        try:
            parse_link(candidate)
        except ValueError:
            pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"GET /watch/cam#token={TOKEN} 200", "GET /watch/cam#token=*** 200"),
        (f"/whep/cam?a=1&token={TOKEN}&b=2", "/whep/cam?a=1&token=***&b=2"),
        ("srt://h:1?streamid=x&passphrase=hidden", "srt://h:1?streamid=x&passphrase=***"),
        ("nothing here", "nothing here"),
    ],
)
def test_redacting(text: str, shown: str) -> None:
    assert redact(text) == shown
