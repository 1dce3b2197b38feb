from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from auth.errors import AuthUnavailable, BadCredentials, TokenExpired, TokenInvalid
from auth.signin.oidc import BEGUN_S, Departure, Oidc, OidcOptions
from auth.tokens.provider_keys import Fetched
from tests.auth.rig import Clock
from tests.rigs.oidc_provider import Provider, Web, log_in, provider

CALLBACK = "https://live.example/login/acme"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.fixture
def options(acme: Provider) -> OidcOptions:
    return OidcOptions(
        "acme", acme.issuer, "streamer", "the client's secret", groups={"staff": "ops", "chiefs": "admins"}
    )


class TestARealProvider:
    async def test_somebody_comes_back(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        web = Web(client)
        oidc = Oidc(options, web)
        departure = await oidc.begin(CALLBACK, "/watch/cam")
        brought = await log_in(client, departure.url, {"sub": "subject-olga"})
        returned = await oidc.finish(brought, departure.binding)
        assert returned.return_to == "/watch/cam"
        assert not returned.with_factor
        arrival = returned.arrival
        assert (arrival.provider, arrival.subject, arrival.name) == ("oidc:acme", "subject-olga", "olga")
        assert (arrival.full_name, arrival.email) == ("Olga Roe", "olga@acme.example")
        assert arrival.groups == {"ops", "admins"}
        # PKCE: what was shown to the browser is the hash of what only we knew.
        asked = dict(parse_qsl(urlsplit(departure.url).query))
        (form,) = [parse_qs(body.decode()) for _, body in web.asked if body is not None]
        hashed = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        assert asked["code_challenge"] == base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        assert asked["code_challenge_method"] == "S256"
        assert "the client's secret" not in departure.url

    async def test_who_has_less_to_say(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        departure = await oidc.begin(CALLBACK)
        brought = await log_in(client, departure.url, {"sub": "subject-otto"})
        arrival = (await oidc.finish(brought, departure.binding)).arrival
        # An address that nobody verified is not believed.
        assert (arrival.name, arrival.email) == ("subject-otto", "")
        # No groups said means none.
        assert arrival.groups == frozenset()

    async def test_groups_elsewhere_in_the_claims(
        self, options: OidcOptions, client: aiohttp.ClientSession
    ) -> None:
        for claim, groups, expected in (
            ("realm_access.roles", {"staff": "ops"}, {"ops"}),
            ("groups", {}, None),
        ):
            oidc = Oidc(replace(options, groups_claim=claim, groups=groups), Web(client))
            departure = await oidc.begin(CALLBACK)
            brought = await log_in(client, departure.url, {"sub": "subject-olga"})
            assert (await oidc.finish(brought, departure.binding)).arrival.groups == expected

    async def test_an_answer_counts_once(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        departure = await oidc.begin(CALLBACK)
        brought = await log_in(client, departure.url, {"sub": "subject-olga"})
        await oidc.finish(brought, departure.binding)
        with pytest.raises(BadCredentials, match="not begun in this browser"):
            await oidc.finish(brought, departure.binding)

    async def test_another_browsers_answer(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        mine, theirs = await oidc.begin(CALLBACK), await oidc.begin(CALLBACK)
        brought = await log_in(client, theirs.url, {"sub": "subject-otto"})
        with pytest.raises(BadCredentials, match="not begun in this browser"):
            await oidc.finish(brought, mine.binding)

    async def test_a_code_of_another_login(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        mine, theirs = await oidc.begin(CALLBACK), await oidc.begin(CALLBACK)
        state = dict(parse_qsl(urlsplit(mine.url).query))["state"]
        brought = await log_in(client, theirs.url, {"sub": "subject-otto"})
        with pytest.raises(TokenInvalid, match="another login"):
            await oidc.finish({**brought, "state": state}, mine.binding)

    async def test_who_says_no(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        departure = await oidc.begin(CALLBACK)
        state = dict(parse_qsl(urlsplit(departure.url).query))["state"]
        said = {"state": state, "error": "access_denied<script>"}
        with pytest.raises(BadCredentials, match=r"says: access_deniedscript$"):
            await oidc.finish(said, departure.binding)

    async def test_a_code_that_was_made_up(self, options: OidcOptions, client: aiohttp.ClientSession) -> None:
        oidc = Oidc(options, Web(client))
        departure = await oidc.begin(CALLBACK)
        state = dict(parse_qsl(urlsplit(departure.url).query))["state"]
        with pytest.raises(BadCredentials, match="begin again"):
            await oidc.finish({"state": state, "code": "made up"}, departure.binding)


class Scripted:
    """A provider that answers what a test wants."""

    ISSUER = "https://idp.example"

    def __init__(self) -> None:
        self.keys = {"one": rsa.generate_private_key(65537, 2048)}
        self.kid = "one"
        self.algorithm = "RS256"
        self.document: dict[str, Any] = {
            "issuer": self.ISSUER,
            "authorization_endpoint": f"{self.ISSUER}/authorize?tenant=1",
            "token_endpoint": f"{self.ISSUER}/token",
            "jwks_uri": f"{self.ISSUER}/keys",
        }
        self.claims: dict[str, Any] = {}
        self.id_token: str | None = None
        self.down = False
        self.down_for = ""
        self.token_status = 200
        self.asked: list[str] = []
        self.headers: Mapping[str, str] = {}
        self.body = ""

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        self.asked.append(url.removeprefix(self.ISSUER))
        if self.down or (self.down_for and url.endswith(self.down_for)):
            raise AuthUnavailable("no answer")
        if url.endswith("/keys"):
            found = [
                {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"}
                for kid, key in self.keys.items()
            ]
            return Fetched(200, json.dumps({"keys": [*found, {"kty": "odd"}, 5]}).encode())
        if url.endswith("/token"):
            self.headers, self.body = headers, (body or b"").decode()
            if self.token_status != 200:
                return Fetched(self.token_status, b'{"error": "invalid_client"}')
            return Fetched(200, json.dumps({"id_token": self.id_token or self.sign()}).encode())
        return Fetched(200, json.dumps(self.document).encode())

    def sign(self) -> str:
        key: Any = self.keys[self.kid]
        return jwt.encode(self.claims, key, self.algorithm, headers={"kid": self.kid})


class Between:
    """A login that was begun at a scripted provider."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.idp = Scripted()
        self.options = OidcOptions("acme", Scripted.ISSUER, "streamer", **{"client_secret": "s", **options})
        self.oidc = Oidc(self.options, self.idp, monotonic=self.clock)

    async def begin(self) -> tuple[Departure, dict[str, str]]:
        departure = await self.oidc.begin(CALLBACK, "https://evil.example")
        asked = dict(parse_qsl(urlsplit(departure.url).query))
        now = int(time.time())
        self.idp.claims = {
            "iss": Scripted.ISSUER, "aud": "streamer", "sub": "s-1", "exp": now + 60, "iat": now,
            "nonce": asked["nonce"], "preferred_username": "olga",
        }  # fmt: skip
        return departure, {"state": asked["state"], "code": "code"}

    async def finish(self, **changes: Any) -> Any:
        departure, brought = await self.begin()
        for key, value in changes.items():
            if value is None:
                del self.idp.claims[key]
            else:
                self.idp.claims[key] = value
        return await self.oidc.finish(brought, departure.binding)


class TestTheIdToken:
    async def test_a_good_one(self) -> None:
        returned = await Between().finish()
        assert returned.arrival.name == "olga"
        assert returned.return_to == "/"

    @pytest.mark.parametrize(
        ("verified", "believed"), [(True, True), ("true", True), (False, False), ("false", False)]
    )
    async def test_an_address_that_nobody_verified_is_not_believed(
        self, verified: bool | str, believed: bool
    ) -> None:
        arrival = (
            await Between().finish(
                preferred_username=None, email="chief@acme.example", email_verified=verified
            )
        ).arrival
        assert arrival.email == ("chief@acme.example" if believed else "")
        assert arrival.name == (arrival.email or "s-1")

    async def test_a_name_elsewhere_in_the_claims(self) -> None:
        between = Between(name_claim="profile.nick")
        assert (await between.finish(profile={"nick": "olly"})).arrival.name == "olly"
        assert (await between.finish(**{"profile.nick": "olga"})).arrival.name == "olga"
        assert (await between.finish(profile="olly")).arrival.name == "s-1"

    async def test_two_factors_there(self) -> None:
        assert (await Between().finish(amr=["pwd", "mfa"])).with_factor
        assert not (await Between().finish(amr=["pwd"])).with_factor
        assert not (await Between().finish(amr="mfa")).with_factor

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://other.example"},
            {"aud": "another client"},
            {"aud": ["streamer", "another"]},
            {"aud": ["streamer", "another"], "azp": "another"},
            {"azp": "another"},
            {"nonce": "another"},
            {"nonce": None},
            {"sub": None},
            {"exp": None},
            {"iat": None},
            {"iat": int(time.time()) + 3600},
            {"nbf": int(time.time()) + 3600},
        ],
    )
    async def test_claims_that_do_not_fit(self, changes: dict[str, Any]) -> None:
        with pytest.raises(TokenInvalid):
            await Between().finish(**changes)

    async def test_an_old_one(self) -> None:
        with pytest.raises(TokenExpired):
            await Between().finish(exp=int(time.time()) - 61)

    @pytest.mark.parametrize("token", ["", "x.y.z", "a" * 100])
    async def test_what_is_none(self, token: str) -> None:
        between = Between()
        between.idp.id_token = token or "."
        with pytest.raises(TokenInvalid):
            await between.finish()

    async def test_unsigned_or_signed_with_what_everybody_knows(self) -> None:
        between = Between()
        departure, brought = await between.begin()
        between.idp.id_token = jwt.encode(between.idp.claims, None, "none")
        with pytest.raises(TokenInvalid, match="algorithm"):
            await between.oidc.finish(brought, departure.binding)
        departure, brought = await between.begin()
        between.idp.id_token = jwt.encode(
            between.idp.claims, "the public key, used as a secret" * 2, "HS256", headers={"kid": "one"}
        )
        with pytest.raises(TokenInvalid, match="algorithm"):
            await between.oidc.finish(brought, departure.binding)

    async def test_signed_with_another_key_of_the_same_name(self) -> None:
        between = Between()
        await between.finish()
        between.idp.keys["one"] = rsa.generate_private_key(65537, 2048)
        with pytest.raises(TokenInvalid, match="signature is wrong"):
            await between.finish()

    async def test_rotation(self) -> None:
        between = Between()
        await between.finish()
        between.idp.keys["two"], between.idp.kid = rsa.generate_private_key(65537, 2048), "two"
        with pytest.raises(TokenInvalid, match="key is unknown"):
            await between.finish()
        assert between.idp.asked.count("/keys") == 1  # not for every made up name
        between.clock.advance(30)
        await between.finish()
        assert between.idp.asked.count("/keys") == 2


class TestTheWayThere:
    async def test_it_takes_too_long(self) -> None:
        between = Between()
        departure, brought = await between.begin()
        between.clock.advance(BEGUN_S)
        with pytest.raises(BadCredentials, match="too long ago"):
            await between.oidc.finish(brought, departure.binding)

    async def test_nothing_is_brought(self) -> None:
        with pytest.raises(BadCredentials):
            await Between().oidc.finish({}, "")

    async def test_an_answer_of_another_provider(self) -> None:
        between = Between()
        departure, brought = await between.begin()
        with pytest.raises(TokenInvalid, match="another provider"):
            await between.oidc.finish({**brought, "iss": "https://other.example"}, departure.binding)

    async def test_the_endpoint_keeps_its_own_parameters(self) -> None:
        departure, _ = await Between().begin()
        assert departure.url.startswith("https://idp.example/authorize?tenant=1&response_type=code&")
        assert departure.binding not in departure.url
        assert departure.binding not in repr(departure)

    async def test_how_we_say_who_we_are(self) -> None:
        between = Between(client_secret="s:1")
        await between.finish()
        pair = base64.b64decode(between.idp.headers["Authorization"].removeprefix("Basic "))
        assert pair == b"streamer:s%3A1"
        between = Between(client_secret="s1")
        between.idp.document["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        await between.finish()
        assert "client_secret=s1" in between.idp.body
        between = Between(client_secret="")
        await between.finish()
        assert "client_id=streamer" in between.idp.body
        assert "client_secret" not in between.idp.body


class TestAProviderInTrouble:
    async def test_it_does_not_answer(self) -> None:
        between = Between()
        between.idp.down = True
        with pytest.raises(AuthUnavailable):
            await between.begin()

    @pytest.mark.parametrize(
        "changes",
        [
            {"issuer": "https://idp.example/"},
            {"authorization_endpoint": "http://idp.example/authorize"},
            {"authorization_endpoint": 5},
        ],
    )
    async def test_its_document_does_not_fit(self, changes: dict[str, Any]) -> None:
        between = Between()
        between.idp.document |= changes
        with pytest.raises(AuthUnavailable):
            await between.begin()

    async def test_its_keys_cannot_be_had(self) -> None:
        between = Between()
        departure, brought = await between.begin()
        between.idp.down_for = "/keys"
        with pytest.raises(AuthUnavailable, match="keys of https://idp"):
            await between.oidc.finish(brought, departure.binding)
        between.idp.down_for = ""
        between.clock.advance(5)
        await between.finish()

    async def test_it_does_not_know_us(self) -> None:
        between = Between(client_secret="the-secret")
        between.idp.token_status = 401
        with pytest.raises(AuthUnavailable, match="invalid_client") as refused:
            await between.finish()
        assert "the-secret" not in str(refused.value)


class TestOptions:
    @pytest.mark.parametrize("issuer", ["http://idp.example", "idp.example", ""])
    def test_secrets_do_not_travel_in_the_clear(self, issuer: str) -> None:
        with pytest.raises(ValueError, match="expected https://host"):
            OidcOptions("acme", issuer, "streamer")

    def test_the_secret_is_not_shown(self) -> None:
        assert "the-secret" not in repr(OidcOptions("acme", "https://idp.example", "streamer", "the-secret"))
