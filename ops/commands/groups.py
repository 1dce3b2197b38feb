"""`streamer group`: what is granted to a group counts for everybody in it."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.permissions.principals import Kind
from ops.commands.desk import ConfigFile, named, on_database, table
from ops.identity.identity import Identity

app = typer.Typer(help="Groups of accounts, and of other groups.", no_args_is_help=True)

Group = Annotated[str, typer.Argument(help="The group's name.")]
Member = Annotated[str, typer.Argument(help="An account's or another group's name.")]


@app.command()
def add(group: Group, config: ConfigFile) -> None:
    """Make a group."""

    async def work(identity: Identity) -> None:
        made = await identity.accounts.create(Kind.GROUP, group)
        await identity.record("group.add", made.id, name=made.name)

    on_database(config, work)


@app.command("list")
def list_(config: ConfigFile) -> None:
    """Show all groups and who is in them directly."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for each in await identity.accounts.everybody(Kind.GROUP):
            members = await identity.groups.members(each.id)
            names = ", ".join(sorted(member.name for member in members))
            factor = "second factor" if each.factor_required else ""
            rows.append((each.name, "disabled" if each.disabled else "", factor, names))
        await identity.record("group.list", "", count=len(rows))
        return rows

    table(on_database(config, work))


@app.command()
def join(group: Group, member: Member, config: ConfigFile) -> None:
    """Put somebody into a group."""

    async def work(identity: Identity) -> None:
        whole, part = await named(identity, group, Kind.GROUP), await named(identity, member)
        await identity.groups.add(whole.id, part.id)
        await identity.record("group.join", whole.id, name=whole.name, member=part.name)

    on_database(config, work)


@app.command()
def leave(group: Group, member: Member, config: ConfigFile) -> None:
    """Take somebody out of a group; what only the group gave him ends within a second."""

    async def work(identity: Identity) -> None:
        whole, part = await named(identity, group, Kind.GROUP), await named(identity, member)
        await identity.groups.remove(whole.id, part.id)
        await identity.record("group.leave", whole.id, name=whole.name, member=part.name)

    on_database(config, work)


@app.command()
def delete(group: Group, config: ConfigFile) -> None:
    """Remove a group; what only it gave ends within a second."""

    async def work(identity: Identity) -> None:
        whole = await named(identity, group, Kind.GROUP)
        await identity.accounts.delete(whole.id)
        await identity.record("group.delete", whole.id, name=whole.name)

    on_database(config, work)


@app.command()
def factor(
    group: Group,
    config: ConfigFile,
    required: Annotated[
        bool, typer.Option("--required/--not-required", help="Whether whoever is in it needs one.")
    ] = True,
) -> None:
    """Say whether everybody in a group needs a second factor."""

    async def work(identity: Identity) -> None:
        whole = await named(identity, group, Kind.GROUP)
        await identity.accounts.require_factor(whole.id, required)
        await identity.record("group.change", whole.id, name=whole.name, factor_required=required)

    on_database(config, work)
