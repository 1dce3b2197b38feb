from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from auth.errors import AuthUnavailable, PlatformRefused
from auth.platforms.oauth import (
    AppClient,
    Endpoints,
    OAuthClient,
    Tokens,
    challenge_of,
    device_code_of,
    new_verifier,
    refusal_of,
    scopes_of,
)
from auth.tokens.provider_keys import Fetched

ENDPOINTS = Endpoints("https://p.example/auth", "https://p.example/token", "https://p.example/device")
NOW = 1_790_000_000.0


class Answers:
    """A platform that gives one answer, and remembers what it was asked."""

    def __init__(self, status: int, body: object) -> None:
        self.fetched = Fetched(status, body if isinstance(body, bytes) else json.dumps(body).encode())
        self.asked: list[dict[str, list[str]]] = []

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        self.asked.append(parse_qs((body or b"").decode()))
        return self.fetched


def client(answers: Answers) -> OAuthClient:
    return OAuthClient("Platform", ENDPOINTS, AppClient("app", "s3cret"), answers, clock=lambda: NOW)


def test_the_challenge_is_that_of_the_rfc() -> None:
    # RFC 7636, appendix B.
    assert (
        challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_verifiers_are_long_plain_and_different() -> None:
    first, second = new_verifier(), new_verifier()
    assert first != second
    # RFC 7636 section 4.1: 43 to 128 of the unreserved characters.
    assert 43 <= len(first) <= 128
    assert all(letter.isalnum() or letter in "-._~" for letter in first)


def test_where_the_browser_is_sent() -> None:
    url = client(Answers(200, {})).authorize_url("https://us/cb", "a b", "st", "ch", {"prompt": "consent"})
    assert parse_qs(urlsplit(url).query) == {
        "response_type": ["code"],
        "client_id": ["app"],
        "redirect_uri": ["https://us/cb"],
        "scope": ["a b"],
        "state": ["st"],
        "code_challenge": ["ch"],
        "code_challenge_method": ["S256"],
        "prompt": ["consent"],
    }


async def test_a_code_is_redeemed_with_its_verifier() -> None:
    # The answer of RFC 6749 section 4.1.4, with a scope.
    answers = Answers(
        200,
        {
            "access_token": "2YotnFZFEjr1zCsicMWpAA",
            "token_type": "example",
            "expires_in": 3600,
            "refresh_token": "tGzv3JOkF0XG5Qx2TlKWIA",
            "scope": "a b",
        },
    )
    tokens = await client(answers).redeem("SplxlOBeZQQYbYS6WxSbIA", "verifier", "https://us/cb")
    assert tokens == Tokens(
        "2YotnFZFEjr1zCsicMWpAA", "tGzv3JOkF0XG5Qx2TlKWIA", NOW + 3600, frozenset({"a", "b"})
    )
    assert answers.asked[0]["code_verifier"] == ["verifier"]
    assert answers.asked[0]["client_secret"] == ["s3cret"]
    assert "tGzv" not in repr(tokens) and "2Yot" not in repr(tokens)


async def test_a_refresh_token_stays_until_there_is_another() -> None:
    before = Tokens("old", "kept", NOW, frozenset({"a"}), NOW + 9)
    same = await client(Answers(200, {"access_token": "new", "expires_in": "60"})).refresh(before)
    assert same == Tokens("new", "kept", NOW + 60, frozenset({"a"}), NOW + 9)
    rotated = await client(Answers(200, {"access_token": "new", "refresh_token": "next"})).refresh(before)
    assert rotated.refresh == "next"


async def test_zero_seconds_is_for_ever() -> None:
    tokens = await client(Answers(200, {"access_token": "x", "expires_in": 0})).redeem("c", "v", "u")
    assert tokens.expires_at is None
    assert tokens.is_fresh(NOW + 1e9)


def test_a_token_is_not_used_to_its_last_second() -> None:
    tokens = Tokens("x", expires_at=NOW + 300)
    assert tokens.is_fresh(NOW)
    assert not tokens.is_fresh(NOW + 200)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "invalid_grant", "error_description": "secret-token"}, "invalid_grant"),
        (400, {"status": 400, "message": "Invalid refresh token"}, "invalid_refresh_token"),
        (400, {"error": {"code": 190, "type": "OAuthException"}}, "oauthexception"),
        (403, b"<html>", "status_403"),
        (400, b"[" * 100_000, "status_400"),
    ],
)
def test_every_way_of_saying_no(status: int, body: object, code: str) -> None:
    refused = refusal_of("Platform", status, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert refused.code == code
    assert "secret-token" not in str(refused)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_platform_with_troubles_of_its_own_has_not_said_no(status: int) -> None:
    with pytest.raises(AuthUnavailable):
        await client(Answers(status, {"error": "invalid_grant"})).refresh(Tokens("a", "r"))


@pytest.mark.parametrize("body", [{}, {"access_token": ""}, {"access_token": 1}, [], b"<html>"])
async def test_an_answer_without_a_token_is_none(body: object) -> None:
    with pytest.raises(AuthUnavailable):
        await client(Answers(200, body)).redeem("c", "v", "u")


async def test_pending_is_a_refusal_with_its_word() -> None:
    with pytest.raises(PlatformRefused) as caught:
        await client(Answers(428, {"error": "authorization_pending"})).poll_device("code", {})
    assert caught.value.code == "authorization_pending"


def test_device_codes_as_the_rfc_and_as_google_and_facebook_write_them() -> None:
    # RFC 8628 section 3.2.
    told = {
        "device_code": "GmRhmhcxhwAzkoEqiMEg_DnyEysNkuNhszIySk9eS",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://example.com/device",
        "expires_in": 1800,
        "interval": 5,
    }
    code = device_code_of(told, NOW, "Platform")
    assert (code.user_code, code.expires_at, code.interval_s) == ("WDJB-MJHT", NOW + 1800, 5)
    assert "GmRh" not in repr(code)
    google = {"device_code": "d", "user_code": "u", "verification_url": "https://g.example/device"}
    assert device_code_of(google, NOW, "Platform").verification_url == "https://g.example/device"
    assert (
        device_code_of({"code": "d", "user_code": "u", "verification_uri": "x"}, NOW, "F").device_code == "d"
    )
    with pytest.raises(AuthUnavailable):
        device_code_of({"user_code": "u"}, NOW, "Platform")


def test_scopes_in_every_form() -> None:
    assert scopes_of("a b") == scopes_of("a,b") == scopes_of(["a", "b"]) == {"a", "b"}
    assert scopes_of(None) is None
    assert scopes_of("") == frozenset()
