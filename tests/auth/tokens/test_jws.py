from __future__ import annotations

import base64
import warnings

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.tokens.jws import OurJws

SECRET = b"7" * 32


def theirs(segment: bytes) -> bytes | None:
    try:
        return jwt.PyJWS._decode_base64url_segment(segment, "x")
    except jwt.DecodeError:
        return None


def ours(segment: bytes) -> bytes | None:
    try:
        return OurJws._decode_base64url_segment(segment, "x")
    except jwt.DecodeError:
        return None


@given(st.binary(max_size=40))
def test_what_was_encoded_is_decoded(data: bytes) -> None:
    assert ours(base64.urlsafe_b64encode(data).rstrip(b"=")) == data


@given(st.binary(max_size=12) | st.from_regex(rb"[A-Za-z0-9_+/=-]{0,9}", fullmatch=True))
def test_it_is_as_strict_as_what_it_replaces(segment: bytes) -> None:
    # But for padding, which ours never have.
    assert ours(segment) == (None if b"=" in segment else theirs(segment))


def test_it_is_used() -> None:
    """PyJWT calls it by this name; under another one checks would be right, but slow."""
    assert OurJws._decode_base64url_segment is not jwt.PyJWS._decode_base64url_segment
    assert "_decode_base64url_segment" in jwt.PyJWS._load.__code__.co_names


def test_only_one_algorithm_is_known() -> None:
    jws = OurJws()
    assert jws.get_algorithms() == ["HS256"]
    token = jwt.PyJWS().encode(b"{}", SECRET, "HS256")
    assert jws.decode(token, SECRET, ["HS256"]) == b"{}"
    assert jws.encode(b"{}", SECRET, "HS256") == token
    with warnings.catch_warnings(), pytest.raises(jwt.InvalidAlgorithmError):
        warnings.simplefilter("ignore")
        jws.decode(jwt.PyJWS().encode(b"{}", SECRET, "HS512"), SECRET, ["HS512"])
    with pytest.raises(jwt.InvalidAlgorithmError):
        jws.decode(jwt.PyJWS().encode(b"{}", "", "none"), SECRET, ["HS256", "none"])


class TestVerified:
    """The first one of a header goes PyJWT's whole way, those after it the short one."""

    def test_what_was_signed_is_handed_out(self) -> None:
        jws = OurJws()
        for payload in (b'{"a":1}', b'{"a":2}', b'{"a":3}'):
            assert jws.verified(jwt.PyJWS().encode(payload, SECRET, "HS256"), SECRET) == payload

    @pytest.mark.parametrize("warm", [False, True])
    def test_nothing_else_is(self, warm: bool) -> None:
        good = jwt.PyJWS().encode(b"{}", SECRET, "HS256")
        header, payload, signature = good.split(".")
        other = jwt.PyJWS().encode(b"{}", b"8" * 32, "HS256").split(".")[2]
        more = base64.urlsafe_b64encode(b'{"admin":true}').rstrip(b"=").decode()
        wrong = [
            f"{header}.{payload}.{other}",
            f"{header}.{more}.{signature}",
            f"{header}.{payload}.",
            f"{header}.{payload}.{signature}=",
            f"{header}.{payload}.{signature[:-2]}",
            f"{header}.{payload}.x.{signature}",
            f"{header}.{signature}",
            header,
            "",
            jwt.PyJWS().encode(b"{}", "", "none"),
        ]
        jws = OurJws()
        if warm:
            jws.verified(good, SECRET)
        for token in wrong:
            with pytest.raises(jwt.PyJWTError):
                jws.verified(token, SECRET)
        with pytest.raises(jwt.InvalidSignatureError):
            jws.verified(good, b"8" * 32)
        assert jws.verified(good, SECRET) == b"{}"
        with pytest.raises(jwt.InvalidAlgorithmError):
            OurJws().verified(good, SECRET, "HS512")
