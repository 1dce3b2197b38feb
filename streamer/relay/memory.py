"""What a relay needs to go on with its broadcast after a restart, and what the command line asks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.relay.look import Look
from streamer.relay.tables import memories
from transport.media import Codec


class Command(StrEnum):
    """What somebody without the API asks for."""

    NONE = ""
    START = "start"
    STOP = "stop"


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


async def read_memories(connection: AsyncConnection) -> dict[str, Memory]:
    """All of them by the relay's id."""
    rows = await connection.execute(select(memories))
    return {row["relay"]: _from_row(row) for row in rows.mappings()}


async def remember(connection: AsyncConnection, memory: Memory, now: float) -> None:
    """Keep what it is now; what was asked for meanwhile stays."""
    broadcast = {
        "id": memory.broadcast_id,
        "began_at": memory.began_at,
        "ending": memory.ending,
        "look": [memory.look.codec, memory.look.width, memory.look.height, memory.look.rate]
        if memory.look is not None
        else None,
        "scheduled_for": memory.scheduled_for,
    }
    row = {
        "wanted": memory.wanted,
        "state": memory.state,
        "reason": memory.reason,
        "broadcast": json.dumps(broadcast),
        "changed_at": now,
    }
    result = await connection.execute(
        update(memories).where(memories.c.relay == memory.relay).values(row)
    )  # fmt: skip
    if result.rowcount == 0:
        await connection.execute(insert(memories).values({"relay": memory.relay, "command": "", **row}))


async def ask(connection: AsyncConnection, relay: str, command: Command, now: float) -> None:
    """Ask the server for something; it looks once a second, or when it starts."""
    changed = {"command": command.value, "changed_at": now}
    result = await connection.execute(update(memories).where(memories.c.relay == relay).values(changed))
    if result.rowcount == 0:
        row = {"relay": relay, "wanted": False, "state": "idle", "reason": "", "broadcast": "", **changed}
        await connection.execute(insert(memories).values(row))


async def take_commands(connection: AsyncConnection) -> dict[str, Command]:
    """What is asked for, by the relay's id; it is not asked for any more then."""
    rows = await connection.execute(
        select(memories.c.relay, memories.c.command).where(memories.c.command != "")
    )
    found = {relay: Command(command) for relay, command in rows if command in set(Command)}
    if found:
        await connection.execute(update(memories).where(memories.c.relay.in_(found)).values(command=""))
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
    )
