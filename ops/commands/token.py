"""`streamer token`: makes a token and prints it, alone, for scripts and links."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.actions import Action
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
    no_sound: Annotated[bool, typer.Option("--no-sound", help="To watch only, not to listen.")] = False,
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
    actions = implied(action, sound=not no_sound)
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
        return (await identity.issue_token(order)).token

    typer.echo(on_database(config, make))
