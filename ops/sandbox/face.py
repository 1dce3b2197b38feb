"""What all faces share: the world they show, how they refuse, and how a call is watched."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from ops.sandbox.calls import Call, Calls, without_secrets
from ops.sandbox.clock import Clock
from ops.sandbox.faults import FaultKind, Faults, after, instead
from ops.sandbox.oauth import Tokens
from ops.sandbox.parties import Platform, Register
from ops.sandbox.quota import Quota
from ops.sandbox.reception import StreamKeys

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CALL: web.RequestKey[Call] = web.RequestKey("call", Call)


@dataclass(frozen=True)
class Pace:
    """How long things take at the platforms; some of it nobody documents, and all can be set for tests.

    Attributes:
        silence_s: without media, until a stream counts as stopped.
        transition_s: YouTube's testStarting and liveStarting.
        auto_stop_s: without a stream, until YouTube ends a broadcast with enableAutoStop.
        lost_stream_s: without a stream, until Facebook ends a live video.
        processing_s: from the end of a Facebook live video until its recording is there.
    """

    silence_s: float = 5.0
    transition_s: float = 2.0
    auto_stop_s: float = 60.0
    lost_stream_s: float = 300.0
    processing_s: float = 5.0
    device_interval_s: float = 5.0


@dataclass(frozen=True)
class Addresses:
    """Where the sandbox can be reached.

    Attributes:
        http: `http://127.0.0.1:9080`; rtmp and rtmps likewise, without a path.
    """

    http: str
    rtmp: str
    rtmps: str


@dataclass
class World:
    """What the faces have in common."""

    clock: Clock
    addresses: Addresses
    pace: Pace = field(default_factory=Pace)
    register: Register = field(default_factory=Register)
    faults: Faults = field(default_factory=Faults)
    calls: Calls = field(default_factory=Calls)

    def __post_init__(self) -> None:
        self.quota = Quota(self.clock)
        self.keys = StreamKeys(self.clock, self.pace.silence_s)


class Refusal(Exception):
    """An answer other than success, in the platform's own form.

    Attributes:
        reason: the platform's word for it, for the log of calls.
    """

    def __init__(
        self, status: int, body: dict[str, Any], reason: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.body = body
        self.reason = reason
        self.headers = headers or {}

    def answer(self) -> web.Response:
        """As HTTP."""
        return web.json_response(self.body, status=self.status, headers=self.headers)


class Face(Protocol):
    """One platform, as its clients see it."""

    @property
    def platform(self) -> Platform:
        """Whose."""

    @property
    def tokens(self) -> Tokens:
        """Its authorization server."""

    def routes(self) -> list[web.RouteDef]:
        """What it answers; paths begin with the platform's name."""

    def refusal(self, status: int, reason: str, message: str) -> Refusal:
        """An error in the platform's form."""

    def settle(self) -> None:
        """Let everything happen that is due by the clock or by what the sink received."""

    def watch(self, programme_id: str, viewers: int | None) -> bool:
        """So many watch a programme, or with "" every one; None: hidden. False: there is none."""

    def programmes(self) -> list[dict[str, Any]]:
        """What was made with it, for the control face: id, account, status, stream key."""


def operation(platform: Platform, name: str, method: str, path: str, handler: Handler) -> web.RouteDef:
    """One thing a platform can be asked for.

    Args:
        platform: whose.
        name: the platform's name for it, `liveBroadcasts.insert`: faults and the log of calls go by it.
        method: of HTTP.
        path: below the platform's name.
        handler: does it.
    """
    return web.route(method, f"/{platform}{path}", handler, name=f"{platform}.{name}")


def watching(world: World, faces: Sequence[Face]) -> Middleware:
    """A middleware: settles what is due, does the faults, turns refusals into answers, keeps the log."""
    by_name = {face.platform.value: face for face in faces}

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        for face in faces:
            face.settle()
        face_or_none = by_name.get(request.path.split("/")[1])
        if face_or_none is None:
            return await handler(request)
        call = Call(world.clock.now(), face_or_none.platform.value, request.method, request.path)
        call.asked = without_secrets(request.query.items())
        request[CALL] = call
        world.calls.add(call)
        answer = await _answer(world, face_or_none, request, handler)
        call.status = answer.status
        return answer

    return watch


async def _answer(world: World, face: Face, request: web.Request, handler: Handler) -> web.StreamResponse:
    call = request[CALL]
    call.operation = (request.match_info.route.name or "").partition(".")[2]
    fault = world.faults.take(call.platform, call.operation)
    if fault is not None:
        call.fault = fault.kind.value
        if (other := await instead(request, fault)) is not None:
            return other
    try:
        if fault is not None and fault.kind is FaultKind.ERROR:
            raise face.refusal(fault.status, fault.reason, fault.message)
        answer = await handler(request)
    except web.HTTPClientError as error:  # nothing is there, or not with this method
        answer = face.refusal(error.status, "", f"There is nothing at {call.path}.").answer()
    except Refusal as refusal:
        call.reason = refusal.reason
        answer = refusal.answer()
    except web.HTTPException:
        raise  # to where the browser is sent
    except Exception:  # a bug of ours: the client sees what it would of one of theirs
        _log.exception("%s %s failed", call.method, call.path)
        answer = face.refusal(500, "", "Internal error encountered.").answer()
    if fault is not None and isinstance(answer, web.Response):
        return await after(request, answer, fault)
    return answer
