"""What a relay is doing and what it does next: a table, and the times that belong to it. No I/O.

    idle ─start▶ preparing ─▶ connecting ─▶ live ⇄ degraded ─stop▶ ending ─▶ ended
                     │             ▲  │       │        │
                     │             │  ▼       ▼        ▼
                     │          reconnecting ◀─────lost         refused, anywhere ─▶ failed
                     └─ troubled: again after a while

Signals and the time go in, `Do` comes out; `relay.py` does it and signals what came of it.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass


class State(enum.StrEnum):
    """What a relay is doing, as the API spells it."""

    IDLE = "idle"
    PREPARING = "preparing"
    CONNECTING = "connecting"
    LIVE = "live"
    DEGRADED = "degraded"
    RECONNECTING = "reconnecting"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_on_air(self) -> bool:
        """Whether something is being sent."""
        return self in (State.LIVE, State.DEGRADED)

    @property
    def is_running(self) -> bool:
        """Whether it still has something to do."""
        return self not in (State.IDLE, State.ENDED, State.FAILED)


class Signal(enum.Enum):
    """What happened."""

    START = enum.auto()
    #: The destination is ready and says where to push.
    PREPARED = enum.auto()
    CONNECTED = enum.auto()
    #: Did not work now, or not any more, and may work again.
    LOST = enum.auto()
    #: Will not work before somebody changes something.
    REFUSED = enum.auto()
    #: On the air, but not as it should be.
    TROUBLED = enum.auto()
    WELL = enum.auto()
    #: The time to try again has come.
    DUE = enum.auto()
    #: The broadcast has become as long as it may.
    ROTATE = enum.auto()
    STOP = enum.auto()
    OVER = enum.auto()


class Do(enum.Enum):
    """What is to be done."""

    PREPARE = enum.auto()
    CONNECT = enum.auto()
    #: Let go of the connection, or of whatever is under way.
    RELEASE = enum.auto()
    #: End the broadcast at the platform.
    FINISH = enum.auto()


_RUNNING = (State.PREPARING, State.CONNECTING, State.LIVE, State.DEGRADED, State.RECONNECTING)

_NEXT: dict[tuple[State, Signal], tuple[State, tuple[Do, ...]]] = {
    **{
        (state, Signal.START): (State.PREPARING, (Do.PREPARE,))
        for state in (State.IDLE, State.ENDED, State.FAILED)
    },
    (State.PREPARING, Signal.PREPARED): (State.CONNECTING, (Do.CONNECT,)),
    (State.PREPARING, Signal.LOST): (State.PREPARING, ()),
    (State.PREPARING, Signal.DUE): (State.PREPARING, (Do.PREPARE,)),
    (State.CONNECTING, Signal.CONNECTED): (State.LIVE, ()),
    (State.LIVE, Signal.TROUBLED): (State.DEGRADED, ()),
    (State.DEGRADED, Signal.WELL): (State.LIVE, ()),
    (State.RECONNECTING, Signal.DUE): (State.CONNECTING, (Do.CONNECT,)),
    **{
        (state, Signal.LOST): (State.RECONNECTING, (Do.RELEASE,))
        for state in (State.CONNECTING, State.LIVE, State.DEGRADED)
    },
    **{
        (state, Signal.ROTATE): (State.PREPARING, (Do.RELEASE, Do.FINISH, Do.PREPARE))
        for state in (State.CONNECTING, State.LIVE, State.DEGRADED, State.RECONNECTING)
    },
    **{(state, Signal.REFUSED): (State.FAILED, (Do.RELEASE, Do.FINISH)) for state in _RUNNING},
    **{(state, Signal.STOP): (State.ENDING, (Do.RELEASE, Do.FINISH)) for state in _RUNNING},
    (State.ENDING, Signal.OVER): (State.ENDED, ()),
}


#: Tries in vain after which nobody waits for the picture to come back any moment.
_MANY = 40


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited for what, in seconds.

    Attributes:
        first_retry_s: after the first thing that went wrong; doubled each time.
        longest_retry_s: from one try to connect to the next. Short: a network that comes back is to
            be noticed soon.
        later_retry_s: the same after forty tries in vain.
        longest_prepare_s: between tries to prepare, which cost a platform's quota.
        away_s: how long the broadcast goes on without a publisher.
        rotate_s: how long one broadcast may last; None for no limit.
        lenient_s: after having been on the air, refusals are taken for passing ones this long: servers need
            a while to notice that the connection before is gone.
    """

    first_retry_s: float = 0.5
    longest_retry_s: float = 2.0
    later_retry_s: float = 15.0
    longest_prepare_s: float = 30.0
    away_s: float = 300.0
    rotate_s: float | None = None
    lenient_s: float = 120.0


class RelayMachine:
    """The state of one relay.

    Args:
        patience: its times.
        spread: a number between 0 and 1 that spreads retries, so that many relays do not come all at once.

    Attributes:
        state: what it is doing.
        reason: why, in words; "" while all is well.
        reconnects: connections lost since the start.
    """

    def __init__(self, patience: Patience, spread: Callable[[], float] = random.random) -> None:
        self.state = State.IDLE
        self.reason = ""
        self.reconnects = 0
        self._patience = patience
        self._spread = spread
        self._troubles: dict[str, str] = {}
        self._failures = 0
        self._tried_at: float | None = None
        self._retry_at: float | None = None
        self._rotate_at: float | None = None
        self._ends_at: float | None = None
        self._away_since: float | None = None
        self._on_air_at: float | None = None

    @property
    def failures(self) -> int:
        """Tries in vain since it last worked."""
        return self._failures

    @property
    def timer(self) -> float | None:
        """When `handle_timeout` is to be called; None for never."""
        times = (self._retry_at, self._rotate_at, self._ends_at, self.gives_up_at)
        return min((at for at in times if at is not None), default=None)

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is not as it should be, in words."""
        return tuple(self._troubles.values())

    def signal(self, signal: Signal, now: float, reason: str = "") -> tuple[Do, ...]:
        """Take what happened; what does not fit the state any more is ignored.

        Args:
            signal: what.
            now: a steady clock, seconds.
            reason: in words.

        Returns:
            What to do, in this order.
        """
        if signal is Signal.REFUSED and self._is_lenient(now):
            signal = Signal.LOST
        step = _NEXT.get((self.state, signal))
        if step is None:
            return ()
        before, (self.state, todo) = self.state, step
        self.reason = reason
        self._retry_at = None
        if signal is Signal.START:
            self._begin()
        elif signal is Signal.LOST:
            # What the try itself took counts: a peer that does not answer costs its time-out already.
            since = self._tried_at if before is State.CONNECTING and self._tried_at is not None else now
            self._retry_at = max(now, since + self._pause_s(before))
            self.reconnects += before.is_on_air
        elif signal is Signal.CONNECTED:
            self._failures = 0
            self._on_air_at = now
            if self._rotate_at is None and self._patience.rotate_s:
                self._rotate_at = now + self._patience.rotate_s
        elif signal is Signal.ROTATE:
            self._rotate_at = self._ends_at = None
        if before.is_on_air:
            self._on_air_at = now
        if Do.CONNECT in todo:
            self._tried_at = now
        if not self.state.is_running or self.state is State.ENDING:
            self._rest()
        elif self.state is State.LIVE and self._troubles:
            return todo + self.signal(Signal.TROUBLED, now, self._worst())
        return todo

    def trouble(self, what: str, reason: str, now: float) -> tuple[Do, ...]:
        """Something is not as it should be: `what` names it, `reason` says it."""
        if self._troubles.get(what) == reason:
            return ()
        self._troubles[what] = reason
        if self.state is State.DEGRADED:
            self.reason = self._worst()
        return self.signal(Signal.TROUBLED, now, self._worst())

    def well(self, what: str, now: float) -> tuple[Do, ...]:
        """It is as it should be again."""
        if self._troubles.pop(what, None) is None:
            return ()
        if self._troubles:
            if self.state is State.DEGRADED:
                self.reason = self._worst()
            return ()
        return self.signal(Signal.WELL, now)

    def away(self, now: float) -> None:
        """The publisher is away; does nothing when that is known."""
        if self._away_since is None:
            self._away_since = now

    def back(self) -> None:
        """The publisher is there."""
        self._away_since = None

    def limit(self, left_s: float | None, now: float) -> None:
        """The platform lets this broadcast last so long from now, None for ever; what is configured stays."""
        self._ends_at = now + left_s if left_s is not None else None

    def handle_timeout(self, now: float) -> tuple[Do, ...]:
        """Do what is due; call at `timer`, or later."""
        give_up_at = self.gives_up_at
        if give_up_at is not None and now >= give_up_at:
            return self.signal(
                Signal.STOP, now, f"the publisher has been away for {self._patience.away_s:g} s"
            )
        if any(at is not None and now >= at for at in (self._rotate_at, self._ends_at)):
            return self.signal(
                Signal.ROTATE, now, "the broadcast is as long as it may be; the next one begins"
            )
        if self._retry_at is not None and now >= self._retry_at:
            return self.signal(Signal.DUE, now, self.reason)
        return ()

    @property
    def gives_up_at(self) -> float | None:
        """When the publisher's absence ends it; None while it is there or is still waited for."""
        # One that is still being prepared waits for a publisher as long as it takes.
        waiting = (
            self._away_since is not None and self.state in _RUNNING and self.state is not State.PREPARING
        )
        return self._away_since + self._patience.away_s if waiting and self._away_since is not None else None

    def _is_lenient(self, now: float) -> bool:
        at = self._on_air_at
        return at is not None and self.state is not State.PREPARING and now - at < self._patience.lenient_s

    def _pause_s(self, state: State) -> float:
        patience = self._patience
        longest = patience.longest_retry_s if self._failures < _MANY else patience.later_retry_s
        if state is State.PREPARING:
            longest = patience.longest_prepare_s
        pause: float = min(patience.first_retry_s * (1 << min(self._failures, 16)), longest)
        self._failures += 1
        return pause * (0.75 + 0.25 * self._spread())

    def _worst(self) -> str:
        return next(iter(self._troubles.values()), "")

    def _begin(self) -> None:
        self._failures = 0
        self.reconnects = 0
        self._on_air_at = None
        self._rest()

    def _rest(self) -> None:
        self._retry_at = None
        self._rotate_at = self._ends_at = None
        self._away_since = None
        self._troubles.clear()
