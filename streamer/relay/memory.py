"""What a relay needs to go on with its broadcast after a restart, and what the command line asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.relay.errors import RelayHeld
from streamer.relay.look import Look
from streamer.relay.tables import memories
from transport.media import Codec


class Command(StrEnum):
    """What somebody without the API asks for."""

    NONE = ""
    START = "start"
    STOP = "stop"


#: A machine that has not told of a relay for so long, does not relay it any more, seconds. Machines' clocks
#: must not differ by more than half of it.
LEASE_S = 30.0
_COMMANDS = tuple(command.value for command in Command if command)


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one relay.

    Attributes:
        relay: its id.
        wanted: it goes on by itself when the server starts again.
        state: of it, for who has only the database.
        reason: why, in words.
        broadcast_id: at the platform; "" for none.
        began_at: when the broadcast began, seconds since 1970; None for none.
        look: how its picture looked; None when nobody knows.
        scheduled_for: the start of the schedule that was kept last; None for none.
        command: what is asked for.
        ending: broadcasts at the platform that could not be ended yet.
        owner: the machine that relays it, or did last; "" where nobody said.
        changed_at: when that was last true, seconds since 1970.
    """

    relay: str
    wanted: bool = False
    state: str = "idle"
    reason: str = ""
    broadcast_id: str = ""
    began_at: float | None = None
    look: Look | None = None
    scheduled_for: float | None = None
    command: Command = Command.NONE
    ending: tuple[str, ...] = ()
    owner: str = ""
    changed_at: float = field(default=0.0, compare=False)

    def is_others(self, node: str) -> bool:
        """Whether another machine than this one began to relay it, and did not end."""
        return self.wanted and self.owner not in ("", node)

    def is_held(self, node: str, now: float) -> bool:
        """Whether another machine than this one relays it now."""
        return self.is_others(node) and now - self.changed_at < LEASE_S


async def read_memories(connection: AsyncConnection) -> dict[str, Memory]:
    """All of them by the relay's id."""
    rows = await connection.execute(select(memories))
    return {row["relay"]: _from_row(row) for row in rows.mappings()}


async def remember(connection: AsyncConnection, memory: Memory, now: float) -> None:
    """Keep what it is now; what was asked for meanwhile stays, and so does what another machine relays."""
    known = await _find(connection, memory.relay)
    if known is None or not known.is_others(memory.owner):
        await _write(connection, memory, now, is_new=known is None)


async def claim(
    connection: AsyncConnection, relay: str, node: str, now: float, *, may_take_over: bool
) -> Memory:
    """Let this machine relay it.

    Args:
        connection: within a transaction that writes.
        relay: its id.
        node: this machine.
        now: seconds since 1970.
        may_take_over: what another machine began and has not told of for `LEASE_S`.

    Returns:
        What is known of it, to go on with.

    Raises:
        RelayHeld: another machine relays it.
    """
    known = await _find(connection, relay)
    memory = known or Memory(relay)
    if memory.is_held(node, now) or (memory.is_others(node) and not may_take_over):
        raise RelayHeld(memory.owner)
    await _write(connection, replace(memory, owner=node, wanted=True), now, is_new=known is None)
    return memory


async def _find(connection: AsyncConnection, relay: str) -> Memory | None:
    rows = await connection.execute(select(memories).where(memories.c.relay == relay).with_for_update())
    row = rows.mappings().one_or_none()
    return _from_row(row) if row is not None else None


async def _write(connection: AsyncConnection, memory: Memory, now: float, *, is_new: bool) -> None:
    broadcast = {
        "id": memory.broadcast_id,
        "began_at": memory.began_at,
        "ending": memory.ending,
        "look": [memory.look.codec, memory.look.width, memory.look.height, memory.look.rate]
        if memory.look is not None
        else None,
        "scheduled_for": memory.scheduled_for,
        "owner": memory.owner,
    }
    row = {
        "wanted": memory.wanted,
        "state": memory.state,
        "reason": memory.reason,
        "broadcast": json.dumps(broadcast),
        "changed_at": now,
    }
    if is_new:
        await connection.execute(insert(memories).values({"relay": memory.relay, "command": "", **row}))
    else:
        await connection.execute(update(memories).where(memories.c.relay == memory.relay).values(row))


async def ask(connection: AsyncConnection, relay: str, command: Command, now: float) -> None:
    """Ask the server for something; it looks once a second, or when it starts."""
    changed = {"command": command.value, "changed_at": now}
    result = await connection.execute(update(memories).where(memories.c.relay == relay).values(changed))
    if result.rowcount == 0:
        row = {"relay": relay, "wanted": False, "state": "idle", "reason": "", "broadcast": "", **changed}
        await connection.execute(insert(memories).values(row))


async def take_commands(
    connection: AsyncConnection, is_mine: Callable[[Memory], bool] = lambda memory: True
) -> dict[str, Command]:
    """What is asked for, by the relay's id; it is not asked for any more then.

    Args:
        connection: within a transaction that writes.
        is_mine: whether this machine is to do it; otherwise it is left to another.
    """
    rows = await connection.execute(select(memories).where(memories.c.command.in_(_COMMANDS)))
    found: dict[str, Command] = {}
    for memory in [_from_row(row) for row in rows.mappings()]:
        if is_mine(memory):
            asked = (memories.c.relay == memory.relay) & (memories.c.command == memory.command.value)
            taken = await connection.execute(update(memories).where(asked).values(command=""))
            if taken.rowcount:
                found[memory.relay] = memory.command
    return found


async def forget(connection: AsyncConnection, relay: str) -> None:
    """Nothing is left of it."""
    await connection.execute(delete(memories).where(memories.c.relay == relay))


def _from_row(row: Mapping[Any, Any]) -> Memory:
    broadcast = json.loads(row["broadcast"]) if row["broadcast"] else {}
    look = broadcast.get("look")
    return Memory(
        relay=row["relay"],
        wanted=row["wanted"],
        state=row["state"],
        reason=row["reason"],
        broadcast_id=broadcast.get("id", ""),
        began_at=broadcast.get("began_at"),
        look=Look(Codec(look[0]), *look[1:]) if look else None,
        scheduled_for=broadcast.get("scheduled_for"),
        command=Command(row["command"]),
        ending=tuple(broadcast.get("ending", ())),
        owner=broadcast.get("owner", ""),
        changed_at=row["changed_at"],
    )
