"""Callers over SRT and RTSP, and who publishes over WebRTC: what they ask for with what they present."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from auth.access.door import Ask, Door, Entry
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
from auth.permissions.credentials import (
    API_KEY_MARK,
    NOTHING,
    Credential,
    KeyCredential,
    PasswordCredential,
    credential_of,
)
from auth.permissions.protocols import Protocol
from auth.vault.comparing import same_secret
from streamer.sections.stream import StreamConfig
from transport.rtsp.server import Asking
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

#: Of what a caller of a public stream presents; it is then let in as anybody is.
_NO_MATTER = (BadCredentials, Forbidden, SeatsTaken, TokenInvalid)


class RtspRefused(Exception):
    """This one may not read or publish over RTSP, or not now; the text says why.

    Attributes:
        status: of the answer.
        challenge: it is asked to present something.
    """

    def __init__(self, status: int, message: str, *, challenge: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.challenge = challenge


def publishing(stream_id: StreamId, config: StreamConfig, address: str) -> Ask:
    """What a caller asks for.

    Args:
        stream_id: what it says.
        config: of the stream that it names.
        address: where it calls from, without port.
    """
    presented = stream_id.session_key
    credential = publishing_credential(presented, config)
    if isinstance(credential, KeyCredential) and presented != credential.expected:
        credential = publishing_credential(_without_user(presented), config)
    return Ask(credential, Action.PUBLISH, Protocol.SRT, stream_id.resource, address)


def reading(stream_id: StreamId, config: StreamConfig, address: str) -> tuple[Ask, ...]:
    """What may let a caller read, the best first: what it presents and, of a public stream, being anybody.

    Args:
        stream_id: what it says.
        config: of the stream that it names.
        address: where it calls from, without port.
    """
    presented = stream_id.session_key
    if _is_token(_without_user(presented)):
        presented = _without_user(presented)
    credential = credential_of(presented)
    return _either(Ask(credential, Action.WATCH, Protocol.SRT, stream_id.resource, address), config)


def reading_over_rtsp(asked: Asking, name: str, config: StreamConfig, address: str) -> tuple[Ask, ...]:
    """What may let a player read over RTSP, as `reading`.

    Args:
        asked: with a token in its address or as the password; other passwords are for a webhook.
        name: of the stream.
        config: of the stream.
        address: where it calls from, without port.
    """
    presented, login = asked.named.secret or password_of(asked), asked.login
    credential = credential_of(presented)
    if login is not None and not asked.named.secret and not _is_token(presented):
        credential = PasswordCredential(login.user, login.password)
    return _either(Ask(credential, Action.WATCH, Protocol.RTSP, name, address), config)


def password_of(asked: Asking) -> str:
    """What stands in the place of a password, or of a user where there is no password; "" for neither."""
    return (asked.login.password or asked.login.user) if asked.login is not None else ""


def _either(ask: Ask, config: StreamConfig) -> tuple[Ask, ...]:
    """As somebody who presents what he does and, of a public stream, as anybody."""
    if not config.public:
        return (ask,)
    anybody = replace(ask, credential=NOTHING, public=True)
    return (anybody,) if ask.credential == NOTHING else (ask, anybody)


def screened(door: Door, asks: Sequence[Ask]) -> Sequence[Ask]:
    """Those of `reading` that may let a caller in, from the first that does on; takes no place.

    Raises:
        AuthError: none does.
    """
    for number, ask in enumerate(asks[:-1]):
        try:
            door.screen(ask)
            return asks[number:]
        except _NO_MATTER:
            continue
    door.screen(asks[-1])
    return asks[-1:]


def entered(door: Door, asks: Sequence[Ask], end: Callable[[str], None]) -> Entry:
    """Let a caller in by the first of `reading` that opens; see `Door.enter_from_thread`.

    Raises:
        AuthError: none does.
    """
    for ask in asks[:-1]:
        try:
            return door.enter_from_thread(ask, end)
        except _NO_MATTER:
            continue
    return door.enter_from_thread(asks[-1], end)


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
    if not is_key and _is_token(presented):
        return credential_of(presented)
    return KeyCredential(presented, key)


def rtsp_status(error: AuthError) -> int:
    """What RTSP clients are told: 401 for what does not count, 403 for what does not suffice, 503: later."""
    if isinstance(error, BadCredentials | TokenInvalid):
        return 401
    return 403 if isinstance(error, Forbidden) else 503


def _without_user(presented: str) -> str:
    """What remains of `USER:SECRET`, as MediaMTX's stream ids end; of a secret alone, all of it."""
    return presented.partition(":")[2] or presented


def _is_token(presented: str) -> bool:
    return bool(_JWT.fullmatch(presented)) or presented.startswith(API_KEY_MARK)
