"""Errors as HTTP answers: one table from exception to status, and one JSON shape for all of them.

{"error": "not_live", "message": "'cam' is not live: nobody publishes it", "retry_after_s": 2}

The message is the reason phrase too: of an answer that is no success players show nothing but its first line.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

from aiohttp import ClientConnectionResetError, web

from auth.errors import (
    AccountConflict,
    AuthError,
    AuthUnavailable,
    BadCredentials,
    BadGrant,
    Forbidden,
    LockedOut,
    NoSuchConnection,
    NoSuchGrant,
    NoSuchPrincipal,
    PasswordRefused,
    PlatformRefused,
    RateLimited,
    ReconnectNeeded,
    SeatsTaken,
    TokenExpired,
    TokenInvalid,
)
from streamer.errors import AlreadyPublished, NoSuchStream, NotLive, StreamerError, Unplayable
from streamer.recording.errors import BeingRecorded, NoSuchRecording, RecordingDamaged
from streamer.relay.errors import NoSuchDestination, NoSuchRelay, RelayBusy, RelayRefused

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS: dict[type[StreamerError | AuthError], tuple[int, str]] = {
    NoSuchStream: (404, "no_such_stream"),
    NotLive: (409, "not_live"),
    AlreadyPublished: (409, "already_published"),
    Unplayable: (406, "not_playable"),
    NoSuchRecording: (404, "no_such_recording"),
    BeingRecorded: (409, "being_recorded"),
    RecordingDamaged: (500, "recording_damaged"),
    NoSuchRelay: (404, "no_such_relay"),
    NoSuchDestination: (404, "no_such_destination"),
    RelayBusy: (409, "relay_busy"),
    RelayRefused: (422, "relay_refused"),
    BadCredentials: (401, "unauthorized"),
    TokenInvalid: (401, "token_invalid"),
    TokenExpired: (401, "token_expired"),
    Forbidden: (403, "forbidden"),
    SeatsTaken: (429, "seats_taken"),
    NoSuchPrincipal: (404, "no_such_account"),
    NoSuchGrant: (404, "no_such_grant"),
    PasswordRefused: (400, "password_refused"),
    BadGrant: (400, "bad_grant"),
    AccountConflict: (409, "conflict"),
    LockedOut: (429, "locked_out"),
    RateLimited: (429, "rate_limited"),
    NoSuchConnection: (404, "no_such_connection"),
    ReconnectNeeded: (409, "reconnect"),
    PlatformRefused: (422, "platform_refused"),
    AuthUnavailable: (503, "unavailable"),
}
#: Nobody reads more of a first line.
_MAX_REASON = 200
# As proxies log it; it is never sent.
_GONE = 499
# Who vanished without a word gives way after two seconds.
_PUBLISHED_RETRY_S = 2
# Who decides is asked again at once when the database is back; a client should not wait longer than that.
_UNAVAILABLE_RETRY_S = 5
# A seat whose viewer vanished is free within 30 s. Each try is a join that fails, so not at once either.
_SEATS_RETRY_S = 5
# RFC 6750 section 3: what is missing, or why what was presented does not count.
_CHALLENGES = {
    "unauthorized": "Bearer",
    "token_invalid": 'Bearer error="invalid_token"',
    "token_expired": 'Bearer error="invalid_token", error_description="it has expired"',
}


class Problem(Exception):
    """An answer other than success, decided at the edge.

    Attributes:
        status: HTTP status.
        code: stable word for programs.
        headers: to send along.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


def problem_response(problem: Problem, retry_after_s: int | None = None) -> web.Response:
    """Render a problem."""
    body: dict[str, object] = {"error": problem.code, "message": str(problem)}
    headers = dict(problem.headers)
    if retry_after_s is not None:
        body["retry_after_s"] = retry_after_s
        headers["Retry-After"] = str(retry_after_s)
    return web.json_response(body, status=problem.status, reason=_reason(str(problem)), headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what handlers raise into answers; the unexpected into a 500 that gives nothing away."""
    try:
        return await handler(request)
    except Problem as problem:
        retry = problem.headers.pop("Retry-After", None)
        return problem_response(problem, int(retry) if retry is not None else None)
    except (StreamerError, AuthError) as error:
        status, code = _status(type(error))
        challenge = _CHALLENGES.get(code)
        headers = {"WWW-Authenticate": challenge} if challenge is not None else {}
        return problem_response(Problem(status, code, str(error), headers), _retry_after_s(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        text = {404: f"there is nothing at {request.path}", 405: f"{request.method} is not offered here"}
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return problem_response(
            Problem(
                error.status,
                error.reason.lower().replace(" ", "_"),
                text.get(error.status, error.reason),
                headers,
            )
        )
    except web.RequestPayloadError:  # the body is not what its headers say
        return problem_response(Problem(400, "bad_request", "the body cannot be read"))
    except ClientConnectionResetError:  # who asked left before the answer was complete, and reads no other
        return web.Response(status=_GONE)
    except Exception:  # a bug: the client learns that much, the log learns the rest
        _log.exception("%s %s failed", request.method, request.path)
        return problem_response(Problem(500, "server_error", "the server failed; its log says why"))


def _reason(message: str) -> str | None:
    """A message as a reason phrase (RFC 9112 section 4), None for the usual one."""
    line = " ".join(message.split())[:_MAX_REASON]
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in line) or None


def _status(kind: type[Exception]) -> tuple[int, str]:
    """What stands in the table for an error, or for the nearest kind of error that it is one of."""
    for known in kind.__mro__:
        if (found := _STATUS.get(known)) is not None:
            return found
    return 500, "server_error"


def _retry_after_s(error: StreamerError | AuthError) -> int | None:
    match error:
        case NotLive():
            return error.retry_after_s
        case AlreadyPublished():
            return _PUBLISHED_RETRY_S
        case LockedOut() | RateLimited():
            return max(1, math.ceil(error.retry_after_s))
        case AuthUnavailable():
            return _UNAVAILABLE_RETRY_S
        case SeatsTaken():
            return _SEATS_RETRY_S
    return None
