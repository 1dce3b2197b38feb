from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.errors import BadGrant, TokenExpired, TokenInvalid
from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.tokens.signing import KeyRing, SigningKey
from auth.tokens.tokens import ISSUER, MAX_PATTERNS, SERVER, TokenOrder, TokenPolicy, Tokens, implied
from tests.auth.ground import NOON

KEY = SigningKey("k1", "HS256", b"1" * 32, NOON)
OTHER = SigningKey("k2", "HS256", b"2" * 32, NOON - 1)
RING = KeyRing({"k1": KEY, "k2": OTHER})
ORDER = TokenOrder(frozenset({Action.WATCH, Action.LISTEN}), ("cam",), 3600)


def payload(**changes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": SERVER,
        "iat": NOON,
        "nbf": NOON,
        "exp": NOON + 60,
        "jti": "one",
        "act": ["watch"],
        "str": ["cam"],
    }
    claims |= changes
    return {name: value for name, value in claims.items() if value is not None}


def signed(claims: dict[str, Any], key: SigningKey = KEY, **headers: Any) -> str:
    return jwt.encode(claims, key.secret, algorithm="HS256", headers={"kid": key.kid} | headers)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


class TestIssuing:
    def test_what_is_issued_is_believed(self) -> None:
        order = replace(
            ORDER, streams=("cam", "studio-*"), subject="id-ann", limits=Limits.of(3, ["192.0.2.0/24"], True)
        )
        issued = Tokens().issue(RING, order, NOON)
        claims = Tokens().verify(RING, issued.token, NOON + 3599)
        assert claims == issued.claims
        assert claims.actions == order.actions
        assert claims.streams == order.streams
        assert claims.subject == "id-ann"
        assert claims.limits == order.limits
        assert claims.expires_at == NOON + 3600
        assert claims.key == KEY.kid

    def test_it_is_a_jwt_with_the_registered_claims(self) -> None:
        issued = Tokens().issue(RING, ORDER, NOON + 0.25)
        said = jwt.decode(
            issued.token,
            KEY.secret,
            ["HS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        assert said == {
            "iss": "streamer",
            "sub": SERVER,
            "iat": NOON + 0.25,
            "nbf": NOON,
            "exp": NOON + 3600.25,
            "jti": issued.claims.token_id,
            "act": ["listen", "watch"],
            "str": ["cam"],
        }
        assert jwt.get_unverified_header(issued.token) == {"alg": "HS256", "typ": "JWT", "kid": "k1"}

    def test_one_for_the_longest_name_fits_an_srt_stream_id(self) -> None:
        name = "n" * 64
        order = replace(ORDER, actions=frozenset({Action.PUBLISH}), streams=(name,), subject="f" * 32)
        token = Tokens().issue(RING, order, NOON + 0.123).token
        # libsrt takes 512 characters.
        assert len(f"#!::r={name},m=publish,s={token}") <= 512

    def test_tokens_differ(self) -> None:
        ids = {Tokens().issue(RING, ORDER, NOON).claims.token_id for _ in range(300)}
        assert len(ids) == 300
        assert not [id for id in ids if id.startswith("-")]  # the command line would take it for an option

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            (replace(ORDER, lifetime_s=0), "hours at most"),
            (replace(ORDER, lifetime_s=float("inf")), "hours at most"),
            (replace(ORDER, lifetime_s=31 * 86400), "720 hours at most"),
            (replace(ORDER, actions=frozenset({Action.ADMIN}), lifetime_s=86401), "24 hours at most"),
            (replace(ORDER, actions=frozenset()), "an action at least"),
            (replace(ORDER, subject=""), "somebody who issues it"),
            (replace(ORDER, streams=()), "1 to 32 stream patterns"),
            (replace(ORDER, streams=("a",) * (MAX_PATTERNS + 1)), "1 to 32 stream patterns"),
            (replace(ORDER, streams=("a*b",)), "expected a stream's name"),
        ],
    )
    def test_what_cannot_be(self, order: TokenOrder, expected: str) -> None:
        with pytest.raises(BadGrant, match=expected):
            Tokens().issue(RING, order, NOON)

    def test_the_policy_is_the_operators(self) -> None:
        policy = TokenPolicy(max_lifetime_s=60, max_control_lifetime_s=120)
        assert policy.longest() == 120
        with pytest.raises(BadGrant):
            Tokens(policy).issue(RING, ORDER, NOON)

    def test_nothing_secret_is_shown(self) -> None:
        issued = Tokens().issue(RING, ORDER, NOON)
        assert issued.token not in repr(issued)

    def test_what_is_meant(self) -> None:
        assert implied({Action.WATCH}) == {Action.WATCH, Action.LISTEN}
        assert implied({Action.LISTEN}) == {Action.LISTEN}
        assert implied({Action.PUBLISH}) == {Action.PUBLISH}
        assert implied({Action.ADMIN}) == set(Action)


class TestVerifying:
    @pytest.mark.parametrize("cached", [False, True])
    def test_its_time(self, cached: bool) -> None:
        tokens = Tokens()
        token = tokens.issue(RING, ORDER, NOON).token
        if cached:
            tokens.verify(RING, token, NOON)
        assert tokens.verify(RING, token, NOON - 4)
        assert tokens.verify(RING, token, NOON + 3599.999)
        with pytest.raises(TokenExpired):
            tokens.verify(RING, token, NOON + 3600)
        with pytest.raises(TokenInvalid, match="not valid yet"):
            tokens.verify(RING, token, NOON - 6)

    def test_without_algorithm(self) -> None:
        for header in (
            {"alg": "none"},
            {"alg": "none", "kid": "k1"},
            {"alg": "None", "kid": "k1"},
            {"kid": "k1"},
        ):
            for signature in ("", "AAAA"):
                token = f"{encoded(header)}.{encoded(payload())}.{signature}"
                with pytest.raises(TokenInvalid):
                    Tokens().verify(RING, token, NOON)

    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    @pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
    def test_with_another_algorithm_though_the_key_is_right(self, algorithm: str) -> None:
        token = jwt.encode(payload(), KEY.secret, algorithm=algorithm, headers={"kid": "k1"})
        with pytest.raises(TokenInvalid, match="its algorithm is not that of its key"):
            Tokens().verify(RING, token, NOON)

    def test_with_an_asymmetric_algorithm_claimed(self) -> None:
        token = signed(payload())
        head = encoded({"alg": "RS256", "kid": "k1"})
        with pytest.raises(TokenInvalid, match="its algorithm is not that of its key"):
            Tokens().verify(RING, ".".join([head, *token.split(".")[1:]]), NOON)

    def test_with_a_wrong_key(self) -> None:
        token = signed(payload(), SigningKey("k1", "HS256", b"3" * 32, NOON))
        with pytest.raises(TokenInvalid, match="signature is wrong"):
            Tokens().verify(RING, token, NOON)

    def test_with_one_of_our_keys_named_as_another(self) -> None:
        token = signed(payload(), replace(OTHER, kid="k1"))
        with pytest.raises(TokenInvalid, match="signature is wrong"):
            Tokens().verify(RING, token, NOON)

    @pytest.mark.parametrize("cached", [False, True])
    def test_with_an_old_key(self, cached: bool) -> None:
        tokens = Tokens()
        token = signed(payload())
        ring = KeyRing({"k1": replace(KEY, verifies_until=NOON + 30), "k2": OTHER})
        if cached:
            tokens.verify(ring, token, NOON)
        assert tokens.verify(ring, token, NOON + 29)
        for now, keys in ((NOON + 30, ring), (NOON, KeyRing({"k2": OTHER}))):
            with pytest.raises(TokenInvalid, match="unknown, or too old"):
                tokens.verify(keys, token, now)

    def test_a_key_that_was_replaced_under_its_id_does_not_live_on_in_the_cache(self) -> None:
        tokens = Tokens()
        token = signed(payload())
        tokens.verify(RING, token, NOON)
        ring = KeyRing({"k1": replace(KEY, secret=b"4" * 32)})
        with pytest.raises(TokenInvalid, match="signature is wrong"):
            tokens.verify(ring, token, NOON)

    def test_without_a_key_id(self) -> None:
        token = jwt.encode(payload(), KEY.secret, algorithm="HS256")
        with pytest.raises(TokenInvalid, match="unknown, or too old"):
            Tokens().verify(RING, token, NOON)
        with pytest.raises(TokenInvalid):
            Tokens().verify(
                RING, f"{encoded({'alg': 'HS256', 'kid': ['k1']})}.{encoded(payload())}.AAAA", NOON
            )

    @pytest.mark.parametrize("name", ["iss", "sub", "iat", "nbf", "exp", "jti", "act", "str"])
    def test_with_a_claim_missing(self, name: str) -> None:
        with pytest.raises(TokenInvalid):
            Tokens().verify(RING, signed(payload(**{name: None})), NOON)

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "another"},
            {"sub": ""},
            {"sub": 7},
            {"jti": 7},
            {"jti": "x" * 513},
            {"exp": "tomorrow"},
            {"exp": True},
            {"exp": 1e300},
            {"exp": -1},
            {"iat": []},
            {"act": "watch"},
            {"act": []},
            {"act": ["fly"]},
            {"act": [["watch"]]},
            {"str": "cam"},
            {"str": []},
            {"str": ["a*b"]},
            {"str": [7.5]},
            {"lim": []},
            {"lim": {"viewers": -1}},
            {"lim": {"new": 1}},
        ],
    )
    def test_with_a_claim_of_another_form(self, changes: dict[str, Any]) -> None:
        with pytest.raises(TokenInvalid):
            Tokens().verify(RING, signed(payload(**changes)), NOON)

    @pytest.mark.parametrize(
        "token", ["", "a", "a.b", "a.b.c.d", "..", "é.é.é", "a.b.c\udcff", "x" * 8193, "x" * 9_000_000]
    )
    def test_what_is_no_token(self, token: str) -> None:
        with pytest.raises(TokenInvalid):
            Tokens().verify(RING, token, NOON)

    def test_a_header_of_nothing_but_brackets(self) -> None:
        nest = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
        with pytest.raises(TokenInvalid, match="form of a JWT"):
            Tokens().verify(RING, f"{nest}.{nest[:100]}.AAAA", NOON)

    @given(
        st.text(max_size=200)
        | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}")
    )
    def test_nothing_but_the_documented_error_comes_of_garbage(self, token: str) -> None:
        with pytest.raises(TokenInvalid):
            Tokens().verify(RING, token, NOON)

    @given(st.integers(0, 400), st.characters(codec="ascii"))
    def test_nothing_of_a_token_can_be_changed(self, index: int, character: str) -> None:
        token = signed(payload())
        # The last character of base64 has bits that count for nothing.
        index %= len(token) - 1
        if token[index] == character:
            return
        with pytest.raises(TokenInvalid):
            Tokens().verify(RING, token[:index] + character + token[index + 1 :], NOON)

    def test_no_error_quotes_the_token(self) -> None:
        token = signed(payload(jti="hidden"), SigningKey("k1", "HS256", b"3" * 32, NOON))
        with pytest.raises(TokenInvalid) as refusal:
            Tokens().verify(RING, token, NOON)
        assert token not in str(refusal.value)
        assert refusal.value.__cause__ is None
