from __future__ import annotations

import base64
import json

import jwt
import pytest

from auth.errors import TokenExpired, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.limits import NO_LIMITS
from auth.tokens.claims import (
    Claims,
    check_times,
    digest_of,
    key_id,
    reason_of,
    text_claim,
    time_claim,
    unverified,
)
from tests.auth.ground import NOON

CLAIMS = Claims("t", "s", frozenset({Action.WATCH}), ("cam",), NOON, NOON + 10, NOON + 60, NO_LIMITS, "k")


def part(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_the_end_is_exact_and_the_beginning_is_not() -> None:
    check_times(CLAIMS, NOON + 5)
    check_times(CLAIMS, NOON + 59.999)
    check_times(CLAIMS, NOON - 20, leeway_s=30)
    with pytest.raises(TokenExpired):
        check_times(CLAIMS, NOON + 60, leeway_s=30)
    with pytest.raises(TokenInvalid, match="clocks"):
        check_times(CLAIMS, NOON + 4.9)


def test_what_anybody_can_have_written() -> None:
    token = f"{part(json.dumps({'kid': 'k'}))}.{part(json.dumps({'iss': 'i'}))}.x"
    assert key_id(token) == "k"
    assert unverified(token, 1) == {"iss": "i"}


@pytest.mark.parametrize("body", ["[]", '"text"', "{", "", "{'a': 1}", "[" * 50_000, '{"a": ' * 50_000])
def test_what_is_no_json_object(body: str) -> None:
    token = f"{part(body)}.{part(body)}.x"
    for index in (0, 1):
        with pytest.raises(TokenInvalid, match="form of a JWT"):
            unverified(token, index)


@pytest.mark.parametrize("value", [None, "1", True, -1, 1e12, float("nan"), float("inf"), [1]])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(TokenInvalid, match="its exp is no time"):
        time_claim({"exp": value}, "exp")


def test_times_and_texts() -> None:
    assert time_claim({"exp": 5}, "exp") == 5.0
    assert text_claim({"sub": "x"}, "sub") == "x"
    for value in (None, "", 5, "x" * 513):
        with pytest.raises(TokenInvalid, match="its sub is no text"):
            text_claim({"sub": value}, "sub")


def test_digests() -> None:
    assert digest_of("a") != digest_of("b")
    with pytest.raises(TokenInvalid, match="longer than 8192"):
        digest_of("x" * 8193)
    with pytest.raises(TokenInvalid):
        digest_of("é")


def test_reasons_say_nothing_of_the_token() -> None:
    assert reason_of(jwt.InvalidSignatureError("hidden")) == "its signature is wrong"
    assert "hidden" not in reason_of(jwt.DecodeError("hidden"))
