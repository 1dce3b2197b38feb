"""`streamer token`: makes a token and prints it, alone, for scripts and links."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.actions import Action
from auth.issued import issue
from auth.limits import Limits
from auth.patterns import EVERYTHING
from auth.principals import Kind
from auth.tokens import SERVER, TokenOrder, implied
from ops.commands.desk import ConfigFile, named, on_database, seconds
from ops.identity import Identity


def token(
    config: ConfigFile,
    action: Annotated[list[Action], typer.Option(help="What it shall allow; may be repeated.")],
    lifetime: Annotated[str, typer.Option("--for", help="How long: 90s, 15m, 1h, 7d.")],
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
    actions = implied(action)
    streams = tuple(stream or ())
    if not streams:
        if Action.ADMIN not in actions:
            raise typer.BadParameter("expected --stream: a stream's name, studio-* or *")
        streams = (EVERYTHING,)
    lifetime_s = seconds(lifetime)

    async def make(identity: Identity) -> str:
        limits = Limits.of(viewers, network or (), once)
        subject = SERVER if user is None else (await named(identity, user, Kind.USER, Kind.SERVICE)).id
        order = TokenOrder(actions, streams, lifetime_s, subject, limits, note)
        authority = identity.authority
        async with identity.engine.begin() as connection:
            made = await issue(connection, authority.tokens, authority.snapshot.ring, order, identity.clock())
        claims = made.claims
        await identity.record(
            "token.issue",
            claims.token_id,
            actions=sorted(claims.actions),
            streams=streams,
            subject=subject,
            expires_at=claims.expires_at,
            limits=limits.to_claim(),
        )
        return made.token

    typer.echo(on_database(config, make))
