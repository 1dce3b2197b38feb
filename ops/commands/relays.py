"""`streamer relay`: what is relayed where, and starting and stopping it beside a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.commands.desk import ConfigFile, day, on_database, table
from ops.identity.identity import Identity
from streamer.config import load
from streamer.relay.destination import Destination, fixed_destinations
from streamer.relay.destinations import list_destinations
from streamer.relay.errors import NoSuchRelay
from streamer.relay.memory import Command, Memory, ask, read_memories

app = typer.Typer(help="What is relayed where.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Its id, or STREAM:NAME, as the list shows them.")]


@app.command("list")
def list_(config: ConfigFile) -> None:
    """Show relays: id, stream and name, where to, what starts it, its state, since when, why."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        fixed = _fixed(config)
        async with identity.engine.connect() as connection:
            known = fixed + await list_destinations(connection, identity.vault)
            memories = await read_memories(connection)
        rows: list[tuple[str, ...]] = []
        for each in known:
            memory = memories.get(each.id, Memory(each.id))
            where = each.shown_url or each.settings.platform.value
            row = (each.id, f"{each.stream}:{each.name}", where, each.settings.when.value, memory.state)
            rows.append((*row, day(memory.began_at), memory.reason))
        return rows

    table(on_database(config, work))


@app.command()
def start(relay: Which, config: ConfigFile) -> None:
    """Begin a relay, or have it begin when the server starts."""
    _ask(relay, config, Command.START)


@app.command()
def stop(relay: Which, config: ConfigFile) -> None:
    """End a relay and its broadcast."""
    _ask(relay, config, Command.STOP)


def _ask(relay: str, config: ConfigFile, command: Command) -> None:
    async def work(identity: Identity) -> None:
        fixed = _fixed(config)
        async with identity.engine.begin() as connection:
            known = fixed + await list_destinations(connection, identity.vault)
            found = next((each for each in known if relay in (each.id, f"{each.stream}:{each.name}")), None)
            if found is None:
                raise NoSuchRelay(relay)
            await ask(connection, found.id, command, identity.clock())
        await identity.record(f"relay.{command}", found.id, stream=found.stream, name=found.name)

    on_database(config, work)


def _fixed(config: ConfigFile) -> list[Destination]:
    streams = load(config).streams
    return [each for name, stream in streams.items() for each in fixed_destinations(name, stream)]
