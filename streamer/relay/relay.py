"""One relay: does what `machine.py` decides. One task owns it, and at most one piece of work is under way.

The work tells what came of it by a signal; the machine says what is next. Whatever goes wrong in it ends in a
state with a reason, and touches no other relay.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from streamer.errors import NotLive, StreamerError
from streamer.hub.intake import Intake
from streamer.hub.stream import State as StreamState
from streamer.hub.stream import Stream
from streamer.relay.attendance import Pace, attend
from streamer.relay.carrier import Carrier, Doorbell, MakeStill
from streamer.relay.destination import Destination
from streamer.relay.dialling import Dialling, check_cipher, choose_ingest
from streamer.relay.errors import RelayHeld, RelayRefused
from streamer.relay.farewell import Farewell
from streamer.relay.look import Look
from streamer.relay.machine import Do, Patience, RelayMachine, Signal, State
from streamer.relay.memory import Memory
from streamer.relay.platforms.broadcast import Broadcast, Health, HealthState, Ingest
from streamer.relay.platforms.errors import NeedsReconnect, PlatformError
from streamer.relay.report import Tally
from streamer.sections.relay import secrets_of
from transport.errors import LinkError, WireError
from transport.output import Push, PushOptions, PushStatistics

_log = logging.getLogger(__name__)

# Of a link's reasons, those that stay until somebody changes something.
_FINAL = frozenset({"unauthorized", "certificate", "not_found", "unsupported"})
_STREAM_PATIENCE_S = 5.0
# Broadcasts that end are replaced a little before the platform ends them.
_ROTATE_EARLY_S = 120.0
_DROPS_REMEMBERED_S = 10.0

OpenPush = Callable[[Destination, Ingest, PushOptions], Push]


@dataclass(frozen=True, slots=True)
class Tools:
    """What every relay uses.

    Attributes:
        open_push: makes a connection to be opened.
        open_broadcast: makes a platform's side of a relay.
        make_still: makes the picture that fills in.
        changed: a relay's state changed, and is to be remembered.
        claim: lets this machine relay it, and tells what is known of it; RelayHeld: another one does.
        node: this machine's name.
        conceal: is told stream keys, which no log may show.
        clock: seconds since 1970.
        patience: times, but for those that a destination sets itself.
        pace: how often platforms are asked.
        end_again_s: after which a broadcast that could not be ended is tried again the first time.
    """

    open_push: OpenPush
    open_broadcast: Callable[[Destination, Stream], Broadcast]
    make_still: MakeStill
    changed: Callable[[Relay], None]
    claim: Callable[[Relay], Awaitable[Memory]]
    node: str
    conceal: Callable[[str], None]
    clock: Callable[[], float] = time.time
    patience: Patience = field(default_factory=Patience)
    pace: Pace = field(default_factory=Pace)
    end_again_s: float = 5.0


class Relay:
    """One stream to one destination. Event loop only.

    Args:
        stream: what is relayed.
        destination: where to.
        tools: what it works with.
        memory: of an earlier process.

    Attributes:
        since: when it came into its state, seconds since 1970.
        began_at: when the broadcast began; None while there is none.
        health: what the platform said last.
        watch_url: where people see it; "" where nobody says.
        scheduled_for: the start of the schedule that was kept last.
    """

    def __init__(self, stream: Stream, destination: Destination, tools: Tools, memory: Memory) -> None:
        self.stream = stream
        self.destination = destination
        self._tools = tools
        settings = destination.settings
        patience = replace(
            tools.patience, away_s=settings.slate_s, rotate_s=settings.rotate_s or tools.patience.rotate_s
        )
        self.machine = RelayMachine(patience)
        self.machine.reason = memory.reason if memory.state == State.FAILED else ""
        self.since = tools.clock()
        mine = memory.wanted and not memory.is_others(tools.node)
        self.began_at = memory.began_at if mine else None
        self.health: Health | None = None
        self.watch_url = ""
        self.tally = Tally()
        self._resume_id = memory.broadcast_id if mine else ""
        self._look = memory.look
        self.scheduled_for = memory.scheduled_for
        self._broadcast: Broadcast | None = None
        self._farewell = Farewell(
            self._open_broadcast, memory.ending, self._farewell_changed, tools.end_again_s
        )
        self._stopped_for = ""
        self._ingest: Ingest | None = None
        self._intake: Intake | None = None
        self._push: Push | None = None
        self._bell: Doorbell | None = None
        self._dialling = Dialling(destination)
        self._dropped_at = float("-inf")
        self._is_filling = False
        self._todo: deque[Do] = deque()
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._shown = (self.machine.state, self.machine.reason)

    @property
    def id(self) -> str:
        """Of it and of its destination."""
        return self.destination.id

    @property
    def state(self) -> State:
        """What it is doing."""
        return self.machine.state

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self.machine.reason

    @property
    def statistics(self) -> PushStatistics:
        """What has been sent of this broadcast, and how it goes now."""
        push = self._push
        return self.tally.with_current(push.statistics() if push is not None else None)

    @property
    def is_filling(self) -> bool:
        """Whether a still picture is shown instead of the stream's."""
        return self._is_filling and self.state.is_on_air

    @property
    def intake(self) -> Intake | None:
        """Where its units come from; None while it does not run."""
        return self._intake

    @property
    def memory(self) -> Memory:
        """What a later process must know."""
        running = self.state.is_running and self.state is not State.ENDING
        return Memory(
            relay=self.id,
            wanted=running,
            state=self.state.value,
            reason=self.reason,
            broadcast_id=self._broadcast.id if self._broadcast is not None else self._resume_id,
            began_at=self.began_at,
            look=self._look,
            scheduled_for=self.scheduled_for,
            ending=self._farewell.ids,
            owner=self._tools.node,
        )

    def start(self) -> None:
        """Begin, if it does not run.

        Raises:
            RelayRefused: this stream must not go there.
        """
        self.destination.check(self.stream.config)
        self._signal(Signal.START)

    def stop(self, reason: str = "stopped") -> None:
        """End, if it runs."""
        self._signal(Signal.STOP, reason)

    def stream_changed(self) -> None:
        """The stream's state or tracks changed."""
        # Also while nothing is sent: the network may be away as the publisher comes back.
        if self.stream.state is StreamState.LIVE:
            self.machine.back()
        elif self.state.is_running:
            self.machine.away(time.monotonic())
        self._wake.set()
        if self._intake is not None:
            self._intake.follow()
            if self._bell is not None:
                self._bell.ring_here()

    async def wait_over(self) -> None:
        """Wait until it does not run."""
        while self.state.is_running:
            self._over.clear()
            await self._over.wait()

    async def wait_parted(self) -> None:
        """Wait until every broadcast of it is ended, or given up."""
        await self._farewell.wait()

    async def run(self) -> None:
        """Do what is to be done, until cancelled; the broadcast then goes on without us."""
        farewell = asyncio.create_task(self._farewell.run())
        try:
            while True:
                while self._todo:
                    await self._do(self._todo.popleft())
                timer = self.machine.timer
                delay = None if timer is None else max(0.0, timer - time.monotonic())
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    self._decide(self.machine.handle_timeout(time.monotonic()))
                self._wake.clear()
        finally:
            farewell.cancel()
            await self._release()
            self._let_go()

    async def _do(self, what: Do) -> None:
        match what:
            case Do.RELEASE:
                await self._release()
            case Do.PREPARE:
                self._work = asyncio.create_task(self._guarded(self._prepare))
            case Do.CONNECT:
                self._work = asyncio.create_task(self._guarded(self._carry))
            case Do.FINISH:
                await self._finish()

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except RelayRefused as error:
            self._signal(Signal.REFUSED, str(error))
        except RelayHeld as error:
            # Not waited for: what is stopped there would begin here. `Relays` follows a machine that is gone.
            self._resume_id = ""
            self._signal(Signal.STOP, str(error))
        except PlatformError as error:
            self._signal(Signal.LOST if error.retryable else Signal.REFUSED, str(error))
        except LinkError as error:
            self._signal(Signal.REFUSED if error.reason in _FINAL else Signal.LOST, str(error))
        except WireError as error:  # an address that the transport does not take
            self._signal(Signal.REFUSED, str(error))
        except StreamerError as error:
            self._signal(Signal.LOST, str(error))
        except Exception:  # a bug must not end the other relays
            _log.exception("relay %s failed", self.id)
            self._signal(Signal.LOST, "the server failed; its log says why")

    async def _prepare(self) -> None:
        self.destination.check(self.stream.config)
        known = await self._tools.claim(self)
        if known.is_others(self._tools.node):
            # That machine is gone, and its publisher comes here now.
            self._resume_id, self.began_at, self._look = known.broadcast_id, known.began_at, known.look
        if self._intake is None:
            self._bell = Doorbell()
            self._intake = Intake(self.stream, self.destination.codecs, self._bell.ring)
        if self._broadcast is None:
            self._broadcast = self._open_broadcast()
        ingest = await self._resume()
        if ingest is None:
            await self._wait_for_stream()
            self._refuse_codecs()
            ingest = await self._broadcast.prepare()
            self.began_at = None
        self._ingest = ingest
        for secret in secrets_of(ingest.url, ingest.key):
            self._tools.conceal(secret)
        if self.destination.passphrase is not None:
            self._tools.conceal(self.destination.passphrase.get_secret_value())
        self.watch_url = ingest.watch_url
        self._limit(ingest.ends_at)
        self._signal(Signal.PREPARED)

    async def _resume(self) -> Ingest | None:
        """Go on with the broadcast of an earlier process."""
        id, self._resume_id = self._resume_id, ""
        if not id and self.began_at is None:
            return None
        assert self._broadcast is not None
        try:
            return await self._broadcast.resume(id)
        except PlatformError as error:
            if error.retryable or isinstance(error, NeedsReconnect):
                self._resume_id = id
                raise
            _log.info("relay %s: its broadcast is over: %s", self.id, error)
            self._broadcast = self._open_broadcast()
            return None

    def _open_broadcast(self) -> Broadcast:
        return self._tools.open_broadcast(self.destination, self.stream)

    async def _wait_for_stream(self) -> None:
        while True:
            try:
                await self.stream.wait_ready(_STREAM_PATIENCE_S)
                return
            except NotLive as error:
                self.machine.reason = f"waiting for the publisher: {error.why}"
                self._show()

    def _refuse_codecs(self) -> None:
        assert self._intake is not None
        if self._intake.refusal:
            raise RelayRefused(self._intake.refusal)

    async def _carry(self) -> None:
        assert self._intake is not None and self._bell is not None and self._ingest is not None
        self._refuse_codecs()
        settings = self.destination.settings
        traits = self._broadcast.traits if self._broadcast is not None else None
        carrier = Carrier(
            self.stream,
            self._intake,
            self._bell,
            self._tools.make_still,
            image=self.destination.slate_image,
            silence=settings.silence or (traits is not None and traits.needs_audio),
            look=self._look,
            stands_in=settings.slate_s > 0,
        )
        failures = self.machine.failures
        ingest = choose_ingest(self._ingest, failures)
        options = self._dialling.options(self._position_ms(), failures)
        push = self._tools.open_push(self.destination, ingest, options)
        ended: asyncio.Task[LinkError] | None = None
        try:
            began = time.monotonic()
            push.announce(carrier.tracks())
            await push.connect()
            self._dialling.took_s = time.monotonic() - began
            check_cipher(self.stream.config.encryption, push)
            ended = asyncio.create_task(push.ended())
            self._push = push
            if self.began_at is None:
                self.began_at = self._tools.clock()
            self._signal(Signal.CONNECTED)
            assert self._broadcast is not None
            attending = asyncio.create_task(attend(self._broadcast, self, self._tools.pace))
            try:
                await carrier.carry(push, ended, self)
            finally:
                attending.cancel()
                await asyncio.wait({attending})
            raise ended.result()
        finally:
            self._push = None
            if ended is not None:
                ended.cancel()
            self.tally.add(push.statistics())
            await push.close()

    def _position_ms(self) -> int:
        """Where the output's time is: as far as the broadcast is old, whatever connections came between."""
        began_at = self.began_at
        since_s = self._tools.clock() - began_at if began_at is not None else 0.0
        return round(max(since_s * 1000, self.tally.position_ms))

    def looked(self, look: Look | None, *, filling: bool, dropped: int) -> None:
        """Take how it goes on the air; see `carrier.Watch`."""
        now = time.monotonic()
        if look != self._look:
            self._look = look
            self._tools.changed(self)
        self._is_filling = filling
        if filling or self.stream.state is not StreamState.LIVE:
            self.machine.away(now)
            why = "the publisher is away; a still picture is shown" if filling else "the publisher is away"
            self._decide(self.machine.trouble("away", why, now))
        else:
            self.machine.back()
            self._decide(self.machine.well("away", now))
        if dropped:
            self._dropped_at = now
            why = "the network to the destination is too slow; pictures are left out"
            self._decide(self.machine.trouble("network", why, now))
        elif now - self._dropped_at > _DROPS_REMEMBERED_S:
            self._decide(self.machine.well("network", now))
        self._wake.set()

    def not_heard(self, error: PlatformError) -> None:
        """The platform does not say how it goes; see `attendance.Listener`."""
        self._decide(self.machine.trouble("platform", str(error), time.monotonic()))

    def heard(self, health: Health) -> None:
        """Take what the platform says; see `attendance.Listener`."""
        now = time.monotonic()
        self.health = health
        self.watch_url = health.watch_url or self.watch_url
        self._limit(health.ends_at)
        if health.state is HealthState.ENDED:
            # At its longest another one follows; somebody who ended it at the platform wants it ended.
            signal = Signal.ROTATE if self._is_as_long_as_it_may_be() else Signal.STOP
            self._decide(self.machine.signal(signal, now, "the platform has ended the broadcast"))
        elif health.issues and health.state in (HealthState.POOR, HealthState.BAD):
            self._decide(self.machine.trouble("platform", "; ".join(health.issues), now))
        else:
            self._decide(self.machine.well("platform", now))

    def _is_as_long_as_it_may_be(self) -> bool:
        longest_s = self._broadcast.traits.max_duration_s if self._broadcast is not None else None
        began_at = self.began_at
        return (
            longest_s is not None
            and began_at is not None
            and self._tools.clock() - began_at > 0.9 * longest_s
        )

    def _limit(self, ends_at: float | None) -> None:
        if ends_at is not None:
            left_s = ends_at - self._tools.clock()
            self.machine.limit(max(1.0, left_s - min(_ROTATE_EARLY_S, left_s / 10)), time.monotonic())

    async def _release(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await asyncio.wait({work})

    async def _finish(self) -> None:
        broadcast, self._broadcast, self._ingest = self._broadcast, None, None
        id, self._resume_id = self._resume_id, ""
        if broadcast is None and id:
            broadcast = self._open_broadcast()
        why = await self._farewell.end(broadcast, id) if broadcast is not None else ""
        self.began_at = None
        self.health = None
        self.tally = Tally()
        if not self.state.is_running or self.state is State.ENDING:
            self._let_go()
        self._stopped_for = self.reason
        if why:
            self.machine.reason = f"{self.reason}; the broadcast could not be ended yet: {why}"
        self._signal(Signal.OVER, self.reason)

    def _farewell_changed(self) -> None:
        if not self._farewell.ids and not self.state.is_running:
            self.machine.reason = self._stopped_for
            self._show()
        self._tools.changed(self)

    def _let_go(self) -> None:
        if self._intake is not None:
            self._intake.close()
            self._intake = None

    def _signal(self, signal: Signal, reason: str = "") -> None:
        self._decide(self.machine.signal(signal, time.monotonic(), reason))

    def _decide(self, todo: tuple[Do, ...]) -> None:
        self._todo.extend(todo)
        self._wake.set()
        self._show()

    def _show(self) -> None:
        """Say when something changed."""
        shown = (self.machine.state, self.machine.reason)
        if shown == self._shown:
            return
        before, self._shown = self._shown, shown
        if before[0] is not shown[0]:
            self.since = self._tools.clock()
        if not self.state.is_running:
            self._over.set()
        _log.info("relay %s: %s%s", self.id, shown[0], f": {shown[1]}" if shown[1] else "")
        self._tools.changed(self)
