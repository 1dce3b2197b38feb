"""`streamer user`: people and service accounts."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from auth.accounts.invitations import Invitations
from auth.errors import NoSuchPrincipal
from auth.permissions.principals import Kind
from auth.signin.sessions import end_sessions
from ops.commands.desk import ConfigFile, day, in_from_now, named, on_database, seconds, table
from ops.identity.identity import Identity
from streamer.config import load

app = typer.Typer(help="People, and service accounts for encoders and integrations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The account's name.")]
_KINDS = (Kind.USER, Kind.SERVICE)


@app.command()
def add(
    name: Name,
    config: ConfigFile,
    full_name: Annotated[str, typer.Option(help="As people call it.")] = "",
    email: Annotated[str, typer.Option(help="Its address.")] = "",
    service: Annotated[bool, typer.Option("--service", help="An encoder or integration, no person.")] = False,
) -> None:
    """Make an account. It can do nothing until it is granted something."""

    async def work(identity: Identity) -> None:
        kind = Kind.SERVICE if service else Kind.USER
        account = await identity.accounts.create(kind, name, full_name=full_name, email=email)
        await identity.record("user.add", account.id, name=account.name, kind=kind.value)

    on_database(config, work)


@app.command("list")
def list_(config: ConfigFile) -> None:
    """Show all accounts: name, kind, since when, whether disabled."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        accounts = [each for each in await identity.accounts.everybody() if each.kind in _KINDS]
        await identity.record("user.list", "", count=len(accounts))
        return [
            (each.name, each.kind.value, day(each.created_at), "disabled" if each.disabled else "")
            for each in accounts
        ]

    table(on_database(config, work))


@app.command()
def disable(name: Name, config: ConfigFile) -> None:
    """Switch an account off; what it opened ends within a second."""

    async def work(identity: Identity) -> None:
        account = await named(identity, name, *_KINDS)
        await identity.accounts.disable(account.id)
        await identity.record("user.disable", account.id, name=account.name)

    on_database(config, work)


@app.command()
def enable(name: Name, config: ConfigFile) -> None:
    """Switch an account on again."""

    async def work(identity: Identity) -> None:
        account = await named(identity, name, *_KINDS)
        await identity.accounts.enable(account.id)
        await identity.record("user.enable", account.id, name=account.name)

    on_database(config, work)


@app.command()
def password(name: Name, config: ConfigFile) -> None:
    """Set a person's password, asked for on a terminal, else the first line of stdin; its sessions end."""

    async def work(identity: Identity) -> None:
        account = await named(identity, name, Kind.USER)
        typed = await asyncio.to_thread(_read_password)
        identity.passwords.check(typed, account.name)
        hashed = await identity.passwords.hashed(typed)
        async with identity.engine.begin() as connection:
            # First, as it locks: who signs in with the old password meanwhile is out, too.
            await end_sessions(connection, account.id)
            await identity.passwords.store(account.id, hashed, connection=connection)
        await identity.record("user.password", account.id, name=account.name)

    on_database(config, work)


@app.command()
def delete(name: Name, config: ConfigFile) -> None:
    """Remove an account with its grants, keys and sessions."""

    async def work(identity: Identity) -> None:
        account = await named(identity, name, *_KINDS)
        await identity.accounts.delete(account.id)
        await identity.record("user.delete", account.id, name=account.name)

    on_database(config, work)


@app.command()
def invite(
    name: Name,
    config: ConfigFile,
    forget_factors: Annotated[
        bool, typer.Option("--forget-factors", help="The second factors go too, when it is used.")
    ] = False,
) -> None:
    """Print a link that works once, with which a person chooses a new password; good for a day."""

    async def work(identity: Identity) -> str:
        account = await named(identity, name, Kind.USER)
        invitations = Invitations(
            identity.engine, identity.accounts, identity.passwords, clock=identity.clock
        )
        made = await invitations.issue(account.id, forget_factors=forget_factors)
        await identity.record(
            "user.invite",
            account.id,
            name=account.name,
            forget_factors=forget_factors,
            expires_at=made.expires_at,
        )
        return made.token

    http = load(config).http
    scheme = "https" if http.has_tls else "http"
    typer.echo(f"{http.origin or f'{scheme}://{http.listen}'}/invitation#token={on_database(config, work)}")


@app.command("add-key")
def add_key(
    name: Name,
    config: ConfigFile,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    lifetime: Annotated[str | None, typer.Option("--for", help="How long: 15m, 1h, 7d.")] = None,
) -> None:
    """Make an API key for a service account and print it, this once."""
    duration_s = None if lifetime is None else seconds(lifetime)

    async def work(identity: Identity) -> str:
        account = await named(identity, name, Kind.SERVICE)
        expires_at = in_from_now(duration_s)
        made = await identity.api_keys.issue(account.id, label, expires_at=expires_at)
        await identity.record(
            "key.add", account.id, name=account.name, prefix=made.prefix, label=label, expires_at=expires_at
        )
        return made.key

    typer.echo(on_database(config, work))


@app.command("keys")
def list_keys(name: Name, config: ConfigFile) -> None:
    """Show a service account's API keys: prefix, since when, until when, last used, what for."""

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        account = await named(identity, name, Kind.SERVICE)
        found = await identity.api_keys.keys(account.id)
        await identity.record("key.list", account.id, name=account.name, count=len(found))
        return [
            (each.prefix, day(each.created_at), day(each.expires_at), day(each.used_at), each.label)
            for each in found
        ]

    table(on_database(config, work))


@app.command("revoke-key")
def revoke_key(
    prefix: Annotated[str, typer.Argument(help="As the list shows it.")], config: ConfigFile
) -> None:
    """Make an API key worthless; what it opened ends within a second."""

    async def work(identity: Identity) -> None:
        try:
            await identity.api_keys.revoke(prefix)
        except NoSuchPrincipal:
            raise ValueError(f"there is no API key {prefix!r}") from None
        await identity.record("key.remove", "", prefix=prefix)

    on_database(config, work)


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
