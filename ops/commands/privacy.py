"""`streamer privacy`: what is kept about a person, for him, and how he is erased."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from auth.permissions.principals import Kind
from ops.commands.desk import ConfigFile, day, named, on_database, table
from ops.identity import privacy
from ops.identity.identity import Identity
from streamer.config import load
from streamer.engagement.people import Register

app = typer.Typer(help="What is kept about people: exported to them, and erased.", no_args_is_help=True)

User = Annotated[str, typer.Option("--user", help="The account's name.")]


class Form(StrEnum):
    """How an export is written."""

    JSON = "json"
    CSV = "csv"


@app.command()
def export(
    user: User,
    config: ConfigFile,
    form: Annotated[str, typer.Option("--format", metavar="json|csv", help="json or csv.")] = Form.JSON,
) -> None:
    """Print everything that is kept about a person, but for what proves who he is."""
    if form not in set(Form):
        raise typer.BadParameter(f"{form!r}: expected json or csv")

    async def work(identity: Identity) -> str:
        account = await named(identity, user, Kind.USER, Kind.SERVICE)
        register = Register(identity.engine, identity.clock)
        request = await register.enter("export", account.name)
        found = await privacy.gather(identity, account)
        await identity.record("privacy.export", account.id, request=request.id)
        await register.complete(request.id)
        return privacy.as_csv(found) if form == Form.CSV else privacy.as_json(found)

    typer.echo(on_database(config, work))


@app.command()
def erase(
    user: User,
    config: ConfigFile,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase a person: the account and everything that is kept about it. The audit log tells so."""
    if not yes:
        typer.confirm(f"Erase {user!r} for good?", abort=True)

    async def work(identity: Identity) -> dict[str, int]:
        account = await named(identity, user, Kind.USER, Kind.SERVICE)
        return await privacy.erase(identity, load(config), account)

    erased = on_database(config, work)
    typer.echo(", ".join(f"{what.replace('_', ' ')}: {number}" for what, number in erased.items()))


@app.command()
def requests(
    config: ConfigFile,
    add: Annotated[str, typer.Option(help="Enter a request: export or erase.")] = "",
    user: Annotated[str, typer.Option("--user", help="Whose, with --add.")] = "",
    done: Annotated[str, typer.Option(help="Mark a request as done.")] = "",
) -> None:
    """Show who asked for what, and until when that is due; enter a request that came by letter or mail."""
    if add and (add not in ("export", "erase") or not user):
        raise typer.BadParameter("expected --add export or --add erase, and --user NAME")

    async def work(identity: Identity) -> list[tuple[str, ...]]:
        register = Register(identity.engine, identity.clock)
        if add:
            await register.enter(add, user)
        if done and not await register.complete(done):
            raise ValueError(f"there is no request {done!r}")
        now = identity.clock()
        return [
            (
                each.id,
                each.kind,
                each.subject or "-",
                day(each.requested_at),
                f"due {day(each.due_at)}",
                f"done {day(each.completed_at)}"
                if each.completed_at
                else "OVERDUE"
                if each.due_at < now
                else "open",
            )
            for each in await register.all()
        ]

    table(on_database(config, work))
