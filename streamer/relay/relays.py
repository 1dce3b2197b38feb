"""All relays: those of the configuration and those of the database, started by whatever starts them.

Once a second it is looked whether a schedule is due and whether another process (the command line, another
server) changed the database. What relays remember is written by `keeper.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from auth.errors import AuthError
from auth.storage.one_row import OneRow
from auth.vault.sealing import Sealer
from streamer.hub.registry import Registry
from streamer.hub.stream import State as StreamState
from streamer.hub.stream import Stream
from streamer.relay.destination import Destination, When, fixed_destinations
from streamer.relay.destinations import (
    add_destination,
    change_destination,
    list_destinations,
    remove_destination,
)
from streamer.relay.errors import NoSuchRelay, RelayRefused
from streamer.relay.keeper import MemoryKeeper
from streamer.relay.machine import State
from streamer.relay.memory import LEASE_S, Command, Memory, read_memories, take_commands
from streamer.relay.relay import Relay, Tools
from streamer.relay.tables import destinations, memories

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
# A relay whose destination is taken away ends its broadcast first.
_FAREWELL_S = 20.0
# A command is left so long to the machine that has the stream.
_LEFT_TO_OTHERS_S = 3.0
#: How many destinations there are, the sum of their revisions, and how much the command line asks for.
_NEWS = OneRow(
    select(
        select(func.count()).select_from(destinations).scalar_subquery(),
        select(func.sum(destinations.c.revision)).scalar_subquery(),
        select(func.count()).where(memories.c.command != "").scalar_subquery(),
    )
)


@dataclass(slots=True)
class _Running:
    relay: Relay
    task: asyncio.Task[None]


class Relays:
    """Every relay there is. Made on the event loop and used there; `run` owns their tasks.

    Args:
        registry: the streams.
        engine: the database.
        vault: opens destinations.
        make_tools: what relays work with, given what keeps their memory.
        clock: seconds since 1970.
        node: this machine's name among those that share the database; "" where it is the only one.
    """

    def __init__(
        self,
        registry: Registry,
        engine: AsyncEngine,
        vault: Sealer,
        make_tools: Callable[[MemoryKeeper], Tools],
        clock: Callable[[], float] = time.time,
        node: str = "",
    ) -> None:
        self._registry = registry
        self._engine = engine
        self._vault = vault
        self._keeper = MemoryKeeper(engine, node, self._current, clock)
        self._tools = make_tools(self._keeper)
        self._node = node
        self._told_at = float("-inf")
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._group: asyncio.TaskGroup | None = None
        self._running: dict[str, _Running] = {}
        self._kept: list[Destination] = []
        self._memories: dict[str, Memory] = {}
        self._stamp: list[object] = []
        # Stopped by hand: not begun again before the stream was offline.
        self._held: set[str] = set()
        self._begun_for: dict[str, str] = {}
        self._is_ready = False
        registry.on_change.append(self._stream_changed)

    @property
    def is_ready(self) -> bool:
        """Whether everything that is known was begun."""
        return self._is_ready

    def __iter__(self) -> Iterator[Relay]:
        """In the order of the streams and their destinations."""
        return iter([running.relay for running in self._running.values()])

    def find(self, id: str) -> Relay:
        """Look a relay up.

        Raises:
            NoSuchRelay: there is none of this id.
        """
        try:
            return self._running[id].relay
        except KeyError:
            raise NoSuchRelay(id) from None

    def start(self, id: str) -> Relay:
        """Begin one; nothing happens when it runs.

        Raises:
            NoSuchRelay: there is none of this id.
            RelayRefused: its stream must not go there.
        """
        relay = self.find(id)
        self._held.discard(id)
        relay.start()
        return relay

    def stop(self, id: str, reason: str = "stopped") -> Relay:
        """End one and its broadcast; nothing happens when it does not run.

        Raises:
            NoSuchRelay: there is none of this id.
        """
        relay = self.find(id)
        self._held.add(id)
        relay.stop(reason)
        return relay

    async def add(self, destination: Destination) -> None:
        """Keep a new destination.

        Raises:
            RelayRefused: the stream has one of this name.
        """
        if any(
            relay.destination.name == destination.name
            for relay in self
            if relay.stream.name == destination.stream
        ):
            raise RelayRefused(
                f"{destination.stream!r} has a destination called {destination.name!r} already"
            )
        async with self._engine.begin() as connection:
            await add_destination(connection, self._vault, destination, self._clock())
        await self._read(force=True)

    async def change(self, destination: Destination) -> None:
        """Keep what a destination is now.

        Raises:
            NoSuchDestination: it is not there any more.
            RelayRefused: the stream has another one of this name.
        """
        async with self._engine.begin() as connection:
            await change_destination(connection, self._vault, destination, self._clock())
        await self._read(force=True)

    async def remove(self, id: str) -> None:
        """Forget a destination; a relay to it is ended.

        Raises:
            NoSuchDestination: it is not there.
        """
        async with self._engine.begin() as connection:
            await remove_destination(connection, id)
        await self._read(force=True)

    def apply(self) -> None:
        """The configuration changed."""
        self._reconcile()

    async def run(self) -> None:
        """Keep everything going until cancelled; broadcasts then go on without us."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._keeper.run())
                await self._read(force=True)
                for relay in self:
                    self._resume(relay)
                while True:
                    self._look()
                    self._is_ready = True
                    # Also when the clock was set back.
                    if abs(self._clock() - self._told_at) >= LEASE_S / 3:
                        self._told_at = self._clock()
                        self._tell()
                        await self._adopt()
                    await asyncio.sleep(_LOOK_S)
                    await self._read()
        finally:
            self._group = None
            await self._keeper.close(relay for relay in self if relay.state is not State.IDLE)

    def _current(self, id: str) -> Relay | None:
        running = self._running.get(id)
        return running.relay if running is not None else None

    def _resume(self, relay: Relay) -> None:
        memory = self._memories.get(relay.id)
        if memory is not None and memory.wanted and not memory.is_others(self._node):
            self._try_start(relay)

    def _look(self) -> None:
        """Start and stop what the clock and the publishers do."""
        now = self._clock()
        for relay in self:
            settings, stream = relay.destination.settings, relay.stream
            if stream.state is StreamState.OFFLINE:
                self._held.discard(relay.id)
            if settings.when is When.PUBLISHING:
                self._follow(relay)
            elif settings.when is When.SCHEDULED and settings.starts_at is not None:
                over = settings.ends_at is not None and now >= settings.ends_at
                if over and relay.state.is_running and relay.scheduled_for == settings.starts_at:
                    relay.stop("its scheduled end")
                elif now >= settings.starts_at and not over and relay.scheduled_for != settings.starts_at:
                    relay.scheduled_for = settings.starts_at
                    self._keeper.note(relay)
                    self._try_start(relay)

    def _tell(self) -> None:
        """Let other machines know what is relayed here."""
        for relay in self:
            if relay.state.is_running:
                self._keeper.note(relay)

    async def _adopt(self) -> None:
        """Go on with what a machine that is gone relayed, and whose publisher came here."""
        now = self._clock()
        idle = [
            relay
            for relay in self
            if relay.stream.own_publisher is not None
            and not relay.state.is_running
            and relay.id not in self._held
        ]
        if not idle or not self._node:
            return
        try:
            async with self._engine.connect() as connection:
                known = await read_memories(connection)
        except (AuthError, SQLAlchemyError, OSError) as error:
            _log.error("what other machines relay cannot be read now: %s", error)
            return
        for relay in idle:
            memory = known.get(relay.id, Memory(relay.id))
            if memory.is_others(self._node) and not memory.is_held(self._node, now):
                self._try_start(relay)

    def _follow(self, relay: Relay) -> None:
        """Start one that follows its publisher, once for each time that somebody comes."""
        # What another machine has, that one relays.
        publisher = relay.stream.own_publisher
        if publisher is None or relay.id in self._held or relay.state.is_running:
            return
        if self._begun_for.get(relay.id) != publisher.id:
            self._begun_for[relay.id] = publisher.id
            self._try_start(relay)

    def _try_start(self, relay: Relay) -> None:
        try:
            relay.start()
        except RelayRefused as error:
            _log.warning("relay %s is not started: %s", relay.id, error)

    def _stream_changed(self, stream: Stream) -> None:
        """Any thread."""
        try:
            self._loop.call_soon_threadsafe(self._stream_changed_here, stream)
        except RuntimeError:  # the loop is closed
            return

    def _stream_changed_here(self, stream: Stream) -> None:
        if self._group is None:
            return
        for relay in self:
            if relay.stream is stream:
                relay.stream_changed()
                if relay.destination.settings.when is When.PUBLISHING:
                    self._follow(relay)

    async def _read(self, *, force: bool = False) -> None:
        """Take what another process wrote."""
        try:
            *stamp, asked = await _NEWS.ask(self._engine)
            if force or stamp != self._stamp:
                async with self._engine.connect() as connection:
                    self._kept = await list_destinations(connection, self._vault)
                    self._memories = await read_memories(connection)
                self._stamp = stamp
                self._reconcile()
            if asked:
                await self._take_commands()
        except (AuthError, SQLAlchemyError, OSError) as error:
            _log.error("destinations cannot be read now: %s", error)

    async def _take_commands(self) -> None:
        async with self._engine.begin() as connection:
            commands = await take_commands(connection, self._is_mine)
        for id, command in commands.items():
            try:
                if command is Command.START:
                    self.start(id)
                else:
                    self.stop(id)
            except (NoSuchRelay, RelayRefused) as error:
                _log.warning("from the command line: %s", error)

    def _is_mine(self, memory: Memory) -> bool:
        """Whether a command is for this machine: it has the stream, or nobody else took it for a while."""
        now = self._clock()
        relay = self._current(memory.relay)
        if memory.is_held(self._node, now):
            return False
        is_here = relay is not None and (relay.state.is_running or relay.stream.own_publisher is not None)
        return is_here or not self._node or abs(now - memory.changed_at) > _LEFT_TO_OTHERS_S

    def _reconcile(self) -> None:
        """Make the relays be what configuration and database say; what did not change is not touched."""
        if self._group is None:
            return
        wanted: dict[str, tuple[Stream, Destination]] = {}
        for stream in self._registry:
            for destination in fixed_destinations(stream.name, stream.config):
                wanted[destination.id] = (stream, destination)
            for destination in self._kept:
                if destination.stream == stream.name:
                    wanted[destination.id] = (stream, destination)
        kept: dict[str, _Running] = {}
        for id, running in self._running.items():
            relay = running.relay
            if id not in wanted:
                self._group.create_task(self._dismiss(running, "its destination was removed"))
                continue
            stream, destination = wanted[id]
            if relay.stream is stream and relay.destination == destination:
                kept[id] = running
                continue
            if relay.destination.is_same_place(destination):
                # Goes on with the same broadcast, as after a restart.
                running.task.cancel()
                self._memories[id] = relay.memory
            else:
                self._memories[id] = replace(relay.memory, broadcast_id="", began_at=None, ending=())
                self._group.create_task(self._dismiss(running, "it goes on to another account"))
        made = {id: kept.get(id) or self._make(*each) for id, each in wanted.items()}
        again = [id for id in self._running if id in made and id not in kept]
        self._running = made
        for id in again:
            self._resume(made[id].relay)

    def _make(self, stream: Stream, destination: Destination) -> _Running:
        assert self._group is not None
        memory = self._memories.get(destination.id) or Memory(destination.id)
        relay = Relay(stream, destination, self._tools, memory)
        return _Running(relay, self._group.create_task(_keep_running(relay)))

    async def _dismiss(self, running: _Running, why: str) -> None:
        """End a relay that is not one of us any more, and its broadcast, however long its platform takes."""
        running.relay.stop(why)
        await asyncio.wait({self._loop.create_task(running.relay.wait_over())}, timeout=_FAREWELL_S)
        await running.relay.wait_parted()
        running.task.cancel()


async def _keep_running(relay: Relay) -> None:
    while True:
        try:
            await relay.run()
        except Exception:  # a bug must not end the others
            _log.exception("relay %s failed", relay.id)
        await asyncio.sleep(1.0)
