from __future__ import annotations

from pathlib import Path

import jwt
import pytest

from auth.access.authority import Authority
from auth.access.permit import Basis
from auth.access.recognition import Recognition, check_key
from auth.errors import BadCredentials, Forbidden, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.credentials import NOTHING, KeyCredential, SessionCredential, TokenCredential
from auth.tokens.jwks import JwksVerifier
from auth.tokens.tokens import SERVER, TokenOrder, Tokens
from tests.auth.ground import NOON, Clock, People, authority, database, session, vault
from tests.auth.tokens.test_jwks import CONFIG, ISSUER, RSA, RSA_2, Provider, jwk, signed


async def test_outside_tokens_and_ours_are_told_apart(tmp_path: Path) -> None:
    provider = Provider(jwk(RSA, "a"))
    verifier = JwksVerifier(CONFIG, provider.fetch, Clock(0))
    await verifier.refresh()
    async with database(tmp_path) as engine:
        decides = Authority(engine, vault(), People().load, outside=[verifier], clock=Clock())
        await decides.start()
        outside = TokenCredential(signed(RSA, "RS256", "a", name="Ann"))
        permit = decides.decide(outside, Action.WATCH, "cam")
        assert permit.basis is Basis.TOKEN
        assert permit.principal.name == "Ann"
        assert (permit.subject, permit.signing_key) == ("", "")
        assert decides.still_good(permit, NOON)
        with pytest.raises(Forbidden):
            decides.decide(outside, Action.PUBLISH, "cam")
        order = TokenOrder(frozenset({Action.WATCH}), ("cam",), 60)
        ours = decides.tokens.issue(decides.snapshot.ring, order, NOON)
        assert decides.decide(TokenCredential(ours.token), Action.WATCH, "cam").token_subject == SERVER
        # Who may sign for one issuer may not for another, ours least of all.
        forged = jwt.encode(
            {"iss": "streamer", "sub": SERVER, "exp": NOON + 60}, RSA, "RS256", headers={"kid": "a"}
        )
        for token in (
            forged,
            signed(RSA_2, "RS256", "a"),
            signed(RSA, "RS256", "a", iss="https://evil.example"),
        ):
            with pytest.raises(TokenInvalid):
                decides.decide(TokenCredential(token), Action.WATCH, "cam")
        # Nobody passes on what an outside issuer let him do.
        manager = TokenCredential(signed(RSA, "RS256", "a", act=["manage", "watch"], str=["*"]))
        with pytest.raises(Forbidden):
            decides.check_order(manager, order)


def test_whose_a_token_says_it_is() -> None:
    recognition = Recognition(Tokens(), [JwksVerifier(CONFIG, Provider().fetch)])
    assert recognition.is_known(signed(RSA, "RS256", "a"))
    assert recognition.is_known(signed(RSA, "RS256", "a", iss="streamer"))
    assert ISSUER
    for token in (signed(RSA, "RS256", "a", iss="https://evil.example"), "opaque", "", "a.b.c"):
        assert not recognition.is_known(token)


async def test_who_somebody_is(tmp_path: Path) -> None:
    people = People()
    ann = people.add("ann")
    async with authority(tmp_path, people) as (decides, _):
        holder = decides.identify(session(ann))
        assert holder is not None
        assert (holder.principal, holder.subject, holder.in_name_of, holder.session) == (
            ann,
            ann.id,
            ann.id,
            "s1",
        )
        assert decides.identify(NOTHING) is None
        with pytest.raises(BadCredentials):
            decides.identify(SessionCredential(people.add("bob"), "s2", NOON + 60))
        with pytest.raises(BadCredentials, match="does not say who asks"):
            decides.identify(KeyCredential("a", "a"))


def test_keys() -> None:
    check_key(KeyCredential("a", "a"), Action.PUBLISH, "cam")
    with pytest.raises(BadCredentials):
        check_key(KeyCredential("b", "a"), Action.PUBLISH, "cam")
    with pytest.raises(Forbidden, match="for publishing only"):
        check_key(KeyCredential("a", "a"), Action.WATCH, "cam")
