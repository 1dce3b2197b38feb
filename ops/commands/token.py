"""`streamer token`: makes a token and prints it, alone, for scripts and links; lists them, withdraws one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from auth.permissions.actions import Action
from auth.permissions.limits import Limits
from auth.permissions.patterns import EVERYTHING
from auth.permissions.principals import Kind
from auth.tokens.issued import find_token, list_tokens, revoke
from auth.tokens.tokens import SERVER, TokenOrder, implied
from ops.commands.desk import ConfigFile, action, day, named, on_database, seconds, table, tell_unmatched
from ops.identity.identity import Identity

app = typer.Typer(help="Tokens to publish, watch or administer with.")


@app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The configuration, a TOML file.")
    ] = None,
    actions: Annotated[
        list[str] | None,
        typer.Option("--action", metavar="|".join(Action), help="What it shall allow; may be repeated."),
    ] = None,
    lifetime: Annotated[str | None, typer.Option("--for", help="How long: 90s, 15m, 1h, 7d.")] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(help="Of which stream: a name, studio-* or *; may be repeated. Everything for admin."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Opens one session and no other after it.")] = False,
    viewers: Annotated[int | None, typer.Option(help="So many sessions at once.")] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="Good from this address range only; may be repeated.")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option("--as", help="In the name of this account: allows no more than its grants do."),
    ] = None,
    note: Annotated[str, typer.Option(help="For lists of tokens.")] = "",
) -> None:
    """Print a token to publish, watch or administer with."""
    if context.invoked_subcommand is not None:
        return
    if config is None or not actions or lifetime is None:
        raise typer.BadParameter("expected --config, --action and --for, or one of list and revoke")
    allowed = implied([action(each) for each in actions])
    streams = tuple(stream or ())
    if not streams:
        if Action.ADMIN not in allowed:
            raise typer.BadParameter("expected --stream: a stream's name, studio-* or *")
        streams = (EVERYTHING,)
    lifetime_s = seconds(lifetime)

    async def make(identity: Identity) -> str:
        limits = Limits.of(viewers, network or (), once)
        subject = SERVER if user is None else (await named(identity, user, Kind.USER, Kind.SERVICE)).id
        order = TokenOrder(allowed, streams, lifetime_s, subject, limits, note)
        return (await identity.issue_token(order)).token

    typer.echo(on_database(config, make))
    tell_unmatched(config, streams)


@app.command("list")
def list_(config: ConfigFile) -> None:
    """Show tokens that are not over: id, what, which streams, until when, by whom, what for."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        names = {each.id: each.name for each in await identity.accounts.everybody()}
        async with identity.engine.connect() as connection:
            found = await list_tokens(connection, identity.clock())
        await identity.record("token.list", "", count=len(found))
        return [
            (
                each.token_id,
                ",".join(each.actions),
                ",".join(each.streams),
                "withdrawn" if each.revoked_at is not None else day(each.expires_at),
                names.get(each.subject, each.subject),
                each.note,
            )
            for each in found
        ]

    table(on_database(config, work))


@app.command("revoke")
def revoke_(
    token_id: Annotated[str, typer.Argument(help="As the list shows it.")], config: ConfigFile
) -> None:
    """Have a token not count any more; what it opened ends within a second."""

    async def work(identity: Identity) -> None:
        async with identity.engine.begin() as connection:
            found = await find_token(connection, token_id)
            if found is None:
                raise ValueError(f"there is no token {token_id!r}")
            await revoke(connection, token_id, identity.clock(), found.expires_at)
        await identity.record("token.revoke", token_id, streams=found.streams, actions=found.actions)

    on_database(config, work)
