"""`streamer grant`: who may do what to which streams."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.permissions.grants import GrantKind, NewGrant, add_grant, change_expiry, list_grants, withdraw_grant
from auth.tokens.tokens import SERVER
from ops.commands.desk import (
    ConfigFile,
    day,
    in_from_now,
    named,
    on_database,
    role_or_action,
    seconds,
    table,
    tell_unmatched,
)
from ops.identity.identity import Identity

app = typer.Typer(help="Who may do what to which streams.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The account or group that gets it.")],
    what: Annotated[str, typer.Argument(help="A role (viewer, publisher, …) or an action (watch, …).")],
    config: ConfigFile,
    stream: Annotated[str, typer.Option(help="A stream's name, studio-* or * for everything.")],
    lifetime: Annotated[str | None, typer.Option("--for", help="How long: 90s, 15m, 1h, 7d.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the list.")] = "",
    support: Annotated[
        bool, typer.Option("--support", help="For somebody from outside: needs --for, 72h at most.")
    ] = False,
) -> None:
    """Give a grant and print its id."""
    role, duration_s = role_or_action(what), None if lifetime is None else seconds(lifetime)

    async def work(identity: Identity) -> str:
        account = await named(identity, name)
        kind = GrantKind.SUPPORT if support else GrantKind.NORMAL
        new = NewGrant(account.id, role, stream, SERVER, reason, in_from_now(duration_s), kind)
        async with identity.engine.begin() as connection:
            given = await add_grant(connection, new, identity.clock())
        await identity.record(
            "grant.add", given.id, name=account.name, what=str(role), stream=stream, expires_at=new.expires_at
        )
        return given.id

    typer.echo(on_database(config, work))
    tell_unmatched(config, [stream])


@app.command("list")
def list_(
    config: ConfigFile,
    name: Annotated[str | None, typer.Argument(help="Of this account or group only.")] = None,
) -> None:
    """Show grants: id, who, what, which streams, until when, why."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        wanted = None if name is None else (await named(identity, name)).id
        names = {each.id: each.name for each in await identity.accounts.everybody()}
        async with identity.engine.connect() as connection:
            grants = await list_grants(connection, wanted)
        await identity.record("grant.list", wanted or "", count=len(grants))
        now = identity.clock()
        return [
            (
                grant.id,
                names.get(grant.principal_id, grant.principal_id),
                str(grant.what),
                grant.stream,
                "over" if grant.is_over(now) else day(grant.expires_at),
                grant.reason,
            )
            for grant in grants
        ]

    table(on_database(config, work))


@app.command()
def remove(
    grant_id: Annotated[str, typer.Argument(help="As the list shows it.")], config: ConfigFile
) -> None:
    """Take a grant back; what it opened ends within a second."""

    async def work(identity: Identity) -> None:
        directory = await identity.directory()
        async with identity.engine.begin() as connection:
            taken = await withdraw_grant(connection, grant_id, directory)
        await identity.record("grant.remove", taken.id, what=str(taken.what), stream=taken.stream)

    on_database(config, work)


@app.command()
def extend(
    grant_id: Annotated[str, typer.Argument(help="As the list shows it.")],
    config: ConfigFile,
    lifetime: Annotated[
        str | None, typer.Option("--for", help="How long from now: 90s, 15m, 1h, 7d; without it for good.")
    ] = None,
) -> None:
    """Let a grant end later or sooner, or not at all."""
    duration_s = None if lifetime is None else seconds(lifetime)

    async def work(identity: Identity) -> None:
        directory, expires_at = await identity.directory(), in_from_now(duration_s)
        async with identity.engine.begin() as connection:
            changed = await change_expiry(connection, grant_id, expires_at, identity.clock(), directory)
        await identity.record("grant.change", changed.id, expires_at=changed.expires_at)

    on_database(config, work)
