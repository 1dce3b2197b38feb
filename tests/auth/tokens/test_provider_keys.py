from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.errors import AuthUnavailable
from auth.tokens.provider_keys import Fetched, KeySet, KeySource, fetch_json
from tests.auth.ground import Clock
from tests.auth.tokens.test_jwks import CONFIG, EC, RSA, Provider, jwk


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


class TestKeySet:
    """What `test_jwks.py` and `tests/auth/signin/test_oidc.py` do not see of it from outside."""

    def key_set(self, *keys: dict[str, Any], clock: Clock | None = None) -> tuple[KeySet, Provider]:
        provider = Provider(*keys)
        source = KeySource(CONFIG.jwks_url, ("ES256",), min_refresh_s=30.0)
        return KeySet(source, provider.fetch, monotonic=clock or Clock(0)), provider

    async def test_before_the_first_fetch(self) -> None:
        keys, _ = self.key_set(jwk(EC, "a"))
        assert keys.age_s == float("inf")
        assert keys.find("a") is None
        assert keys.find(None) is None

    async def test_a_key_that_stayed_is_the_same(self) -> None:
        clock = Clock(0)
        keys, provider = self.key_set(jwk(EC, "a"), jwk(RSA, "b"), clock=clock)
        assert await keys.refresh()
        key = keys.find("a")
        assert key is not None
        assert (key.algorithms, keys.find("b")) == ({"ES256"}, None)
        clock.now += 30
        assert not await keys.refresh()
        assert keys.holds(key)
        provider.keys = [jwk(ec.generate_private_key(ec.SECP256R1()), "a")]
        clock.now += 30
        assert await keys.refresh()
        assert not keys.holds(key)
        assert repr(key) == "PublishedKey(kid='a', algorithms=frozenset({'ES256'}))"

    async def test_after_a_failure_it_is_tried_again_sooner(self, caplog: pytest.LogCaptureFixture) -> None:
        clock = Clock(0)
        keys, provider = self.key_set(jwk(EC, "a"), clock=clock)
        provider.fails = True
        assert not await keys.refresh()
        assert "https://idp.example/keys cannot be had: ConnectionError" in caplog.text
        provider.fails = False
        clock.now += 4.9
        assert not await keys.refresh()
        clock.now += 0.1
        assert await keys.refresh()
        assert provider.asked == 2

    @pytest.mark.parametrize("status", [204, 302, 404, 500])
    async def test_another_status_is_no_answer(self, status: int) -> None:
        keys = KeySet(KeySource("https://idp.example"), Answers(status, b'{"keys": []}'))
        assert not await keys.refresh()
        assert keys.fetched_at is None
