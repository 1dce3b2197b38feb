"""Breaking things on request: errors, time-outs, answers that come slowly or not to their end."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from aiohttp import web


class FaultKind(StrEnum):
    """What is done to a call."""

    ERROR = "error"
    """Answered with a status and a reason, in the platform's own form."""
    TIMEOUT = "timeout"
    """Not answered for so long; then the connection is closed."""
    DROP = "drop"
    """The connection is reset instead of an answer."""
    SLOW = "slow"
    """Carried out and answered, the second half of the body so much later."""
    CUT = "cut"
    """Carried out, and the connection closed in the middle of the answer."""
    LOST = "lost"
    """Carried out, and the connection closed before the answer."""
    GARBAGE = "garbage"
    """Carried out, and answered with a page that is no JSON, as a proxy's."""


@dataclass
class Fault:
    """What to do to whose calls.

    Attributes:
        operation: a pattern: `liveBroadcasts.*`, `*`.
        count: how often still; None: until it is removed.
        status: of an error.
        reason: of an error, the platform's word: `userRequestsExceedRateLimit`; Facebook's codes: "190/463".
        seconds: of "timeout" and "slow".
    """

    platform: str
    kind: FaultKind
    operation: str = "*"
    count: int | None = 1
    status: int = 500
    reason: str = ""
    message: str = ""
    seconds: float = 30.0
    id: int = 0
    done: int = 0


class Faults:
    """The faults in force, oldest first; the first that fits a call is done to it."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.active: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Put one in force."""
        fault.id = next(self._ids)
        self.active.append(fault)
        return fault

    def remove(self, fault_id: int | None = None) -> None:
        """Take one out of force, or all."""
        self.active = [fault for fault in self.active if fault_id is not None and fault.id != fault_id]

    def take(self, platform: str, operation: str) -> Fault | None:
        """The fault for a call, counted as done."""
        for fault in self.active:
            if fault.platform == platform and fnmatchcase(operation, fault.operation):
                fault.done += 1
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self.active.remove(fault)
                return fault
        return None


async def instead(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """What a fault puts in the place of the call itself; None: it lets it happen."""
    if fault.kind is FaultKind.TIMEOUT:
        await asyncio.sleep(fault.seconds)
    elif fault.kind is not FaultKind.DROP:
        return None
    return _hang_up(request)


async def after(request: web.Request, answer: web.Response, fault: Fault) -> web.StreamResponse:
    """What a fault makes of the answer."""
    match fault.kind:
        case FaultKind.LOST:
            return _hang_up(request)
        case FaultKind.GARBAGE:
            return web.Response(text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        case FaultKind.SLOW | FaultKind.CUT:
            return await _halves(request, answer, fault)
    return answer


async def _halves(request: web.Request, answer: web.Response, fault: Fault) -> web.StreamResponse:
    body = answer.body if isinstance(answer.body, bytes) else b""
    half = len(body) // 2
    parted = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
    parted.content_length = len(body)
    await parted.prepare(request)
    await parted.write(body[:half])
    if fault.kind is FaultKind.CUT:
        _hang_up(request)
        return parted
    await asyncio.sleep(fault.seconds)
    await parted.write(body[half:])
    await parted.write_eof()
    return parted


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
