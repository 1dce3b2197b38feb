from __future__ import annotations

import pytest

from auth.signin.csrf import csrf_token, is_csrf_token

COOKIE = "the session's cookie"


def test_a_token_is_for_one_session() -> None:
    token = csrf_token(COOKIE)
    assert is_csrf_token(COOKIE, token)
    assert not is_csrf_token("another cookie", token)
    assert COOKIE not in token


def test_no_two_have_bytes_in_common() -> None:
    tokens = [csrf_token(COOKIE) for _ in range(50)]
    assert len({token.partition(".")[0] for token in tokens}) == 50
    assert len({token.partition(".")[2] for token in tokens}) == 50


@pytest.mark.parametrize(
    "wrong", ["", ".", "x", "\udcff.x", "0" * 32, "0" * 32 + ".", "0" * 32 + "." + "0" * 64]
)
def test_what_is_none(wrong: str) -> None:
    assert not is_csrf_token(COOKIE, wrong)


def test_every_character_counts() -> None:
    token = csrf_token(COOKIE)
    for at in range(len(token)):
        changed = "0" if token[at] != "0" else "1"
        assert not is_csrf_token(COOKIE, token[:at] + changed + token[at + 1 :])
