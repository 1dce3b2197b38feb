"""Counts the sessions that a token's limits allow: so many at once, or one and no other after it.

The count at once is this process's own. That a token was used up is kept in the database, so that it stays
so across restarts and counts on every machine; the session begins only after that was written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.access.permit import Permit
from auth.errors import AuthUnavailable, SeatsTaken, TokenInvalid
from auth.tokens.issued import use_up

_USED = "it could be used once, and was"


class Seat:
    """The place of one session; given back by `release`, or at the end of a `with`. Thread-safe."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release
        self._lock = threading.Lock()

    def release(self) -> None:
        """Give the place back; again is no error."""
        with self._lock:
            release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Seat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Seats:
    """Gives seats to those whose permit has limits, and to all others without counting.

    Args:
        engine: where tokens that were used up are kept.
        clock: seconds since 1970.
    """

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        # One entry for each token in use now, so as many as there are sessions.
        self._taken: dict[str, int] = {}

    def taken(self, token_id: str) -> int:
        """Sessions of a token now."""
        with self._lock:
            return self._taken.get(token_id, 0)

    def take(self, permit: Permit) -> Seat:
        """A seat, for a permit whose token may be used more than once. From any thread.

        Raises:
            SeatsTaken: all of them are.
        """
        assert not permit.limits.once, "use `admit`: that a token is used up must be written first"
        return self._take(permit)

    async def admit(self, permit: Permit) -> Seat:
        """A seat, for any permit; a token for one use is used up by it.

        Raises:
            SeatsTaken: all of them are.
            TokenInvalid: it was used up before.
            AuthUnavailable: that it is used up cannot be written.
        """
        seat = self._take(permit)
        if not permit.limits.once:
            return seat
        try:
            await self._use_up(permit)
        except BaseException:
            seat.release()
            raise
        return seat

    def _take(self, permit: Permit) -> Seat:
        limits, token_id = permit.limits, permit.token_id
        at_once = 1 if limits.once else limits.viewers
        if at_once is None or not token_id:
            return Seat(lambda: None)
        with self._lock:
            taken = self._taken.get(token_id, 0)
            if taken >= at_once:
                if limits.once:
                    raise TokenInvalid(_USED)
                raise SeatsTaken(permit.action, permit.stream, at_once)
            self._taken[token_id] = taken + 1
        return Seat(lambda: self._leave(token_id))

    def _leave(self, token_id: str) -> None:
        with self._lock:
            left = self._taken[token_id] - 1
            if left:
                self._taken[token_id] = left
            else:
                del self._taken[token_id]

    async def _use_up(self, permit: Permit) -> None:
        until = permit.credential_expires_at
        assert until is not None, "every token ends"
        try:
            async with self._engine.begin() as connection:
                first = await use_up(connection, permit.token_id, self._clock(), until)
        except (TimeoutError, SQLAlchemyError, OSError):
            raise AuthUnavailable("that the token is used up cannot be written") from None
        if not first:
            raise TokenInvalid(_USED)
