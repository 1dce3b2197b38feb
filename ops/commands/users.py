"""`streamer user`: people and service accounts."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from auth.principals import Kind
from ops.commands.desk import ConfigFile, day, named, on_database, table
from ops.identity import Identity

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
    """Set a person's password, asked for on a terminal, else the first line of stdin."""

    async def work(identity: Identity) -> None:
        account = await named(identity, name, Kind.USER)
        typed = await asyncio.to_thread(_read_password)
        await identity.passwords.set(account.id, account.name, typed)
        await identity.record("user.password", account.id, name=account.name)

    on_database(config, work)


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
