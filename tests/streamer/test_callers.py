from __future__ import annotations

import pytest

from auth.errors import (
    AuthError,
    AuthUnavailable,
    BadCredentials,
    Forbidden,
    RateLimited,
    SeatsTaken,
    TokenExpired,
    TokenInvalid,
)
from auth.permissions.actions import Action
from auth.permissions.credentials import NOTHING, ApiKeyCredential, Credential, KeyCredential, TokenCredential
from auth.permissions.protocols import Protocol
from streamer.callers import publishing, reading, refusal
from streamer.sections.stream import StreamConfig
from transport.srt import RejectReason
from transport.srt.wire import parse_stream_id

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJzdHJlYW1lciJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("presented", "key", "expected"),
    [
        ("key", "key", KeyCredential("key", "key")),
        ("wrong", "key", KeyCredential("wrong", "key")),
        ("", None, KeyCredential("", None)),
        (JWT, "key", TokenCredential(JWT)),
        (JWT, None, TokenCredential(JWT)),
        # A key may look like a token.
        (JWT, JWT, KeyCredential(JWT, JWT)),
        ("a.b.c", "key", KeyCredential("a.b.c", "key")),
        # As MediaMTX's stream ids have it, publish:cam:USER:PASSWORD; a key may hold colons all the same.
        ("joe:key", "key", KeyCredential("key", "key")),
        (":key", "key", KeyCredential("key", "key")),
        ("joe:key", "joe:key", KeyCredential("joe:key", "joe:key")),
        ("joe:a:b", "a:b", KeyCredential("a:b", "a:b")),
        (f"joe:{JWT}", "key", TokenCredential(JWT)),
        ("joe:wrong", "key", KeyCredential("wrong", "key")),
    ],
)
def test_what_is_presented(presented: str, key: str | None, expected: Credential) -> None:
    stream_id = parse_stream_id(f"#!::r=cam,m=publish,s={presented}".encode())
    ask = publishing(stream_id, StreamConfig.model_validate({"publish_key": key}), "192.0.2.1")
    assert ask.credential == expected
    assert (ask.action, ask.protocol, ask.stream) == (Action.PUBLISH, Protocol.SRT, "cam")
    assert ask.address == "192.0.2.1"
    assert presented == "" or presented not in repr(ask)


@pytest.mark.parametrize(
    ("presented", "public", "expected"),
    [
        ("", False, [NOTHING]),
        (JWT, False, [TokenCredential(JWT)]),
        ("sk_1", False, [ApiKeyCredential("sk_1")]),
        ("", True, [NOTHING]),
        (JWT, True, [TokenCredential(JWT), NOTHING]),
        (f"joe:{JWT}", False, [TokenCredential(JWT)]),
        ("joe:sk_1", False, [ApiKeyCredential("sk_1")]),
        ("joe:pass", False, [TokenCredential("joe:pass")]),
    ],
)
def test_what_may_let_a_reader_in(presented: str, public: bool, expected: list[Credential]) -> None:
    config = StreamConfig.model_validate({"public": public, "publish_key": "key"})
    asks = reading(parse_stream_id(f"read:cam:{presented}".encode()), config, "192.0.2.1")
    assert [ask.credential for ask in asks] == expected
    assert {(ask.action, ask.protocol, ask.stream) for ask in asks} == {(Action.WATCH, Protocol.SRT, "cam")}
    # Only who presents nothing is let in for that.
    assert [ask.public for ask in asks] == [public and each == NOTHING for each in expected]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadCredentials("the publish key is wrong"), RejectReason.UNAUTHORIZED),
        (TokenInvalid("its signature is wrong"), RejectReason.UNAUTHORIZED),
        (TokenExpired(), RejectReason.UNAUTHORIZED),
        (Forbidden("publish", "cam"), RejectReason.FORBIDDEN),
        (SeatsTaken("publish", "cam", 1), RejectReason.OVERLOADED),
        (RateLimited(1), RejectReason.OVERLOADED),
        (AuthUnavailable("the database does not answer"), RejectReason.INTERNAL),
    ],
)
def test_what_a_refusal_tells(error: AuthError, code: RejectReason) -> None:
    refused = refusal(error)
    assert refused.code is code
    assert str(refused) == str(error)
