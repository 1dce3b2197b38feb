from __future__ import annotations

import asyncio
import hmac
import json
import threading
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.errors import AuthUnavailable, TokenExpired, TokenInvalid
from auth.permissions.actions import Action
from auth.tokens.jwks import JwksVerifier, KeyNotSeen
from auth.tokens.outside import OutsideIssuer
from auth.tokens.provider_keys import Fetched
from tests.auth.ground import NOON, Clock
from tests.fakes.wait import until

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
RSA_2 = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
EC_384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
ISSUER = "https://idp.example"
CONFIG = OutsideIssuer(ISSUER, ("streamer",), "https://idp.example/keys")


def jwk(key: Any, kid: str, **extra: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        made = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        made = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        made = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, **extra}


def payload(**changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "streamer",
        "sub": "ann",
        "iat": NOON,
        "exp": NOON + 60,
        "act": ["watch"],
        "str": ["cam"],
    }
    claims |= changes
    return {name: value for name, value in claims.items() if value is not None}


def signed(key: Any, algorithm: str, kid: str | None, **changes: Any) -> str:
    return jwt.encode(payload(**changes), key, algorithm=algorithm, headers={"kid": kid} if kid else None)


class Provider:
    """Publishes keys; counts how often it was asked."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.fails = False
        self.body: bytes | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        assert (method, url, body) == ("GET", CONFIG.jwks_url, None)
        self.asked += 1
        await self.hold.wait()
        if self.fails:
            raise ConnectionError("refused")
        document = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        return Fetched(200, document)


async def verifier(
    provider: Provider, config: OutsideIssuer = CONFIG, clock: Clock | None = None
) -> JwksVerifier:
    made = JwksVerifier(config, provider.fetch, clock or Clock(0))
    await made.refresh()
    return made


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "RS512"), (RSA, "PS256"), (EC, "ES256"), (EC_384, "ES384"), (ED, "EdDSA")],
)
async def test_what_its_issuer_signed_is_believed(key: Any, algorithm: str) -> None:
    verifies = await verifier(Provider(jwk(key, "a")))
    claims = verifies.verify(signed(key, algorithm, "a", name="Ann", jti="one"), NOON)
    assert claims.actions == {Action.WATCH, Action.LISTEN}
    assert claims.streams == ("cam",)
    assert claims.name == "Ann"
    assert claims.issuer == ISSUER
    assert claims.subject.startswith("out:")
    assert claims.expires_at == NOON + 60


async def test_subjects_and_numbers_are_the_issuers_own() -> None:
    verifies = await verifier(Provider(jwk(RSA, "a")))
    one = verifies.verify(signed(RSA, "RS256", "a", jti="one"), NOON)
    again = verifies.verify(signed(RSA, "RS256", "a", jti="one", name="x"), NOON)
    other = verifies.verify(signed(RSA, "RS256", "a", jti="two", sub="bob"), NOON)
    assert (one.token_id, one.subject) == (again.token_id, again.subject)
    assert other.token_id != one.token_id
    assert other.subject != one.subject
    unnumbered = {verifies.verify(signed(RSA, "RS256", "a", name=name), NOON).token_id for name in ("x", "y")}
    assert len(unnumbered) == 2


class TestRefused:
    async def test_signed_with_another_key(self) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a")))
        with pytest.raises(TokenInvalid, match="signature is wrong"):
            verifies.verify(signed(RSA_2, "RS256", "a"), NOON)

    async def test_signed_with_the_public_key_as_a_secret(self) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a")))
        public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        # By hand, as PyJWT refuses to sign with what looks like a public key.
        head, body = (
            jwt.utils.base64url_encode(json.dumps(part).encode())
            for part in ({"alg": "HS256", "kid": "a"}, payload())
        )
        mac = jwt.utils.base64url_encode(hmac.digest(public, head + b"." + body, "sha256"))
        with pytest.raises(TokenInvalid, match="not that of its key"):
            verifies.verify(b".".join((head, body, mac)).decode(), NOON)

    async def test_symmetric_keys_of_a_set_do_not_count(self) -> None:
        provider = Provider(jwk(RSA, "a"), {"kty": "oct", "kid": "b", "k": "c2VjcmV0", "alg": "HS256"})
        verifies = await verifier(provider)
        with pytest.raises(KeyNotSeen):
            verifies.verify(signed(b"secret" * 6, "HS256", "b"), NOON)

    async def test_without_signature(self) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a")))
        token = jwt.encode(payload(), "", algorithm="none", headers={"kid": "a"})
        with pytest.raises(TokenInvalid):
            verifies.verify(token, NOON)

    async def test_with_an_algorithm_that_is_not_the_keys_or_not_allowed(self) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a", alg="RS256")))
        with pytest.raises(TokenInvalid, match="not that of its key"):
            verifies.verify(signed(RSA, "PS256", "a"), NOON)
        only_ec = OutsideIssuer(ISSUER, ("streamer",), CONFIG.jwks_url, algorithms=("ES256",))
        verifies = await verifier(Provider(jwk(RSA, "a"), jwk(EC, "b")), only_ec)
        assert verifies.verify(signed(EC, "ES256", "b"), NOON)
        with pytest.raises(KeyNotSeen):
            verifies.verify(signed(RSA, "RS256", "a"), NOON)

    async def test_keys_that_are_short_or_for_something_else(self) -> None:
        provider = Provider(jwk(SHORT_RSA, "short"), jwk(RSA, "enc", use="enc"), jwk(EC, "good"), {"kty": 7})
        verifies = await verifier(provider)
        for key, kid in ((RSA, "enc"), (RSA, "short")):
            with pytest.raises(KeyNotSeen):
                verifies.verify(signed(key, "RS256", kid), NOON)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"iss": "https://evil.example"}, "another issuer"),
            ({"aud": "somebody"}, "meant for somebody else"),
            ({"aud": None}, "missing"),
            ({"sub": None}, "missing"),
            ({"exp": None}, "missing"),
            ({"exp": "never"}, "no time"),
            ({"exp": NOON}, "expired"),
            ({"nbf": NOON + 6}, "not valid yet"),
            ({"iat": NOON + 6}, "not valid yet"),
            ({"str": ["a*b"]}, "not known here"),
        ],
    )
    async def test_claims(self, changes: dict[str, Any], expected: str) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a")))
        with pytest.raises(TokenInvalid, match=expected):
            verifies.verify(signed(RSA, "RS256", "a", **changes), NOON)

    async def test_the_end_counts_for_what_is_remembered_too(self) -> None:
        verifies = await verifier(Provider(jwk(RSA, "a")))
        token = signed(RSA, "RS256", "a", nbf=NOON + 4)
        assert verifies.verify(token, NOON)
        with pytest.raises(TokenExpired):
            verifies.verify(token, NOON + 60)


class TestKeys:
    async def test_one_audience_of_several(self) -> None:
        config = OutsideIssuer(ISSUER, ("other", "streamer"), CONFIG.jwks_url)
        verifies = await verifier(Provider(jwk(RSA, "a")), config)
        assert verifies.verify(signed(RSA, "RS256", "a", aud=["x", "streamer"]), NOON)

    async def test_without_key_id_where_there_is_one_key(self) -> None:
        provider = Provider(jwk(RSA, "a"))
        verifies = await verifier(provider)
        assert verifies.verify(signed(RSA, "RS256", None), NOON)
        verifies = await verifier(Provider(jwk(RSA, "a"), jwk(EC, "b")))
        with pytest.raises(KeyNotSeen):
            verifies.verify(signed(RSA, "RS256", None), NOON)

    async def test_rotation(self) -> None:
        clock = Clock(0)
        provider = Provider(jwk(RSA, "a"))
        verifies = await verifier(provider, clock=clock)
        old, new = signed(RSA, "RS256", "a"), signed(RSA_2, "RS256", "b")
        assert verifies.verify(old, NOON)
        provider.keys = [jwk(RSA_2, "b")]
        with pytest.raises(KeyNotSeen):
            verifies.verify(new, NOON)
        clock.now += CONFIG.min_refresh_s
        assert await verifies.refresh()
        assert verifies.verify(new, NOON)
        # What is remembered of a key does not outlive it.
        with pytest.raises(KeyNotSeen):
            verifies.verify(old, NOON)

    async def test_unknown_keys_do_not_make_us_a_flood(self) -> None:
        clock = Clock(0)
        provider = Provider(jwk(RSA, "a"))
        verifies = await verifier(provider, clock=clock)
        for number in range(50):
            with pytest.raises(KeyNotSeen) as unseen:
                verifies.verify(signed(EC, "ES256", f"x{number}"), NOON)
            assert not await unseen.value.verifier.refresh()
        assert provider.asked == 1
        clock.now += CONFIG.min_refresh_s
        await verifies.refresh()
        assert provider.asked == 2

    async def test_many_that_wait_fetch_once(self) -> None:
        provider = Provider(jwk(RSA, "a"))
        provider.hold.clear()
        verifies = JwksVerifier(CONFIG, provider.fetch, Clock(0))
        waiting = [asyncio.create_task(verifies.refresh()) for _ in range(10)]
        await until(lambda: provider.asked)
        waiting[0].cancel()
        provider.hold.set()
        assert all(await asyncio.gather(*waiting[1:]))
        assert provider.asked == 1

    async def test_while_fetching_fails_known_keys_count_for_a_time(self) -> None:
        clock = Clock(0)
        provider = Provider(jwk(RSA, "a"))
        verifies = await verifier(provider, clock=clock)
        provider.fails = True
        clock.now += CONFIG.max_stale_s
        assert not await verifies.refresh()
        assert verifies.verify(signed(RSA, "RS256", "a"), NOON)
        clock.now += 1
        with pytest.raises(AuthUnavailable, match="cannot be had"):
            verifies.verify(signed(RSA, "RS256", "a"), NOON)

    async def test_before_the_first_fetch_nothing_is_believed(self) -> None:
        verifies = JwksVerifier(CONFIG, Provider().fetch, Clock(0))
        with pytest.raises(AuthUnavailable):
            verifies.verify(signed(RSA, "RS256", "a"), NOON)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"{}",
            b'{"keys": 7}',
            b'{"keys": []}',
            b'{"keys": [1]}',
            b"[" * 100_000,
            b"x" * 300_000,
        ],
    )
    async def test_a_document_that_is_none_changes_nothing(self, body: bytes) -> None:
        clock = Clock(0)
        provider = Provider(jwk(RSA, "a"))
        verifies = await verifier(provider, clock=clock)
        provider.body = body
        clock.now += CONFIG.min_refresh_s
        assert not await verifies.refresh()
        assert verifies.verify(signed(RSA, "RS256", "a"), NOON)


async def test_a_thread_that_meets_an_unknown_key_has_it_fetched() -> None:
    quick = OutsideIssuer(ISSUER, ("streamer",), CONFIG.jwks_url, refresh_s=3600, min_refresh_s=0.01)
    provider = Provider(jwk(RSA, "a"))
    verifies = JwksVerifier(quick, provider.fetch)
    task = asyncio.create_task(verifies.run())
    await until(lambda: provider.asked == 1)
    provider.keys.append(jwk(RSA_2, "b"))
    token = signed(RSA_2, "RS256", "b")
    outcomes: list[object] = []

    def decide() -> None:
        try:
            outcomes.append(verifies.verify(token, NOON))
        except TokenInvalid as refusal:
            outcomes.append(refusal)

    thread = threading.Thread(target=decide)
    thread.start()
    await until(lambda: outcomes)
    thread.join()
    assert isinstance(outcomes[0], KeyNotSeen)
    await until(lambda: provider.asked >= 2)
    await until(lambda: verifies._keys._fetching is None)
    assert verifies.verify(token, NOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
