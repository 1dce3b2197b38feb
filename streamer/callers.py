"""Callers over SRT, and who publishes over WebRTC: what they ask for with what they present."""

from __future__ import annotations

import re
from dataclasses import replace

from auth.access.door import Ask
from auth.errors import (
    AuthError,
    BadCredentials,
    Forbidden,
    LockedOut,
    RateLimited,
    SeatsTaken,
    TokenInvalid,
)
from auth.permissions.actions import Action
from auth.permissions.credentials import API_KEY_MARK, NOTHING, Credential, KeyCredential, credential_of
from auth.permissions.protocols import Protocol
from auth.vault.comparing import same_secret
from streamer.sections.stream import StreamConfig
from transport.srt import Refused, RejectReason, StreamId

#: The item of a stream id by which another machine says that it is one, and which.
MACHINE_KEY = "machine"
# Three parts of base64url, the first of which is a JSON object.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_CODES: tuple[tuple[type[AuthError], RejectReason], ...] = (
    (BadCredentials, RejectReason.UNAUTHORIZED),
    (TokenInvalid, RejectReason.UNAUTHORIZED),
    (Forbidden, RejectReason.FORBIDDEN),
    (SeatsTaken, RejectReason.OVERLOADED),
    (LockedOut, RejectReason.OVERLOADED),
    (RateLimited, RejectReason.OVERLOADED),
)


def publishing(stream_id: StreamId, config: StreamConfig, address: str) -> Ask:
    """What a caller asks for.

    Args:
        stream_id: what it says.
        config: of the stream that it names.
        address: where it calls from, without port.
    """
    credential = publishing_credential(stream_id.session_key, config)
    return Ask(credential, Action.PUBLISH, Protocol.SRT, stream_id.resource, address)


def reading(stream_id: StreamId, config: StreamConfig, address: str) -> tuple[Ask, ...]:
    """What may let a caller read, the best first: what it presents and, of a public stream, being anybody.

    Args:
        stream_id: what it says.
        config: of the stream that it names.
        address: where it calls from, without port.
    """
    credential = credential_of(stream_id.session_key)
    ask = Ask(credential, Action.WATCH, Protocol.SRT, stream_id.resource, address)
    if not config.public:
        return (ask,)
    anybody = replace(ask, credential=NOTHING, public=True)
    return (anybody,) if credential == NOTHING else (ask, anybody)


def machine_of(stream_id: StreamId) -> str:
    """Which machine calls by its own word, which only the cluster's passphrase proves; "" for none."""
    return dict(stream_id.extra).get(MACHINE_KEY, "")


def refusal(error: AuthError) -> Refused:
    """What the caller is told: 1401 for what does not count, 1403 for what does not suffice, 1402: later."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), RejectReason.INTERNAL)
    return Refused(code, str(error))


def publishing_credential(presented: str, config: StreamConfig) -> Credential:
    """What somebody who wants to publish presents: the stream's publish key, a token or an API key.

    Args:
        presented: by him.
        config: of the stream.
    """
    key = config.publish_key.get_secret_value() if config.publish_key is not None else None
    # A key may look like anything, so it comes first.
    is_key = key is not None and same_secret(presented, key)
    if not is_key and (_JWT.fullmatch(presented) or presented.startswith(API_KEY_MARK)):
        return credential_of(presented)
    return KeyCredential(presented, key)
