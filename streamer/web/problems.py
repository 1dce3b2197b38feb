"""Errors as HTTP answers: one table from exception to status, and one JSON shape for all of them.

{"error": "not_live", "message": "'cam' is not live: nobody publishes it", "retry_after_s": 2}
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from streamer.errors import NoSuchStream, NotLive, StreamerError, Unplayable

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS: dict[type[StreamerError], tuple[int, str]] = {
    NoSuchStream: (404, "no_such_stream"),
    NotLive: (409, "not_live"),
    Unplayable: (406, "not_playable"),
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
    return web.json_response(body, status=problem.status, headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what handlers raise into answers; the unexpected into a 500 that gives nothing away."""
    try:
        return await handler(request)
    except Problem as problem:
        retry = problem.headers.pop("Retry-After", None)
        return problem_response(problem, int(retry) if retry is not None else None)
    except StreamerError as error:
        status, code = _STATUS.get(type(error), (500, "server_error"))
        retry_after_s = error.retry_after_s if isinstance(error, NotLive) else None
        return problem_response(Problem(status, code, str(error)), retry_after_s)
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
    except Exception:  # a bug: the client learns that much, the log learns the rest
        _log.exception("%s %s failed", request.method, request.path)
        return problem_response(Problem(500, "server_error", "the server failed; its log says why"))
