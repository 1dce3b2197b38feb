"""`streamer audit`: whether the log is whole, and the log itself."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.audit.reader import Filter, export, verify
from ops.commands.desk import ConfigFile, moment, on_database
from ops.identity.identity import Identity
from ops.process.printable import printable_json

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.command("verify")
def verify_(config: ConfigFile) -> None:
    """Check that nothing in the log was changed, removed or cut off; exit status 1 when something was."""
    verdict = on_database(config, lambda identity: verify(identity.engine, identity.vault))
    if not verdict.is_whole:
        typer.echo(f"broken at entry {verdict.first_broken}: {verdict.why}", err=True)
        raise typer.Exit(1)
    typer.echo(f"whole: {verdict.checked} entries")


@app.command("export")
def export_(
    config: ConfigFile,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="From this time on, UTC.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time, UTC.")] = None,
    what: Annotated[str, typer.Option(help="grant.add, or grant for all about grants.")] = "",
    who: Annotated[str, typer.Option(help="Done by: an id, token:…, or @server.")] = "",
    target: Annotated[str, typer.Option(help="Done to: a stream, or an id.")] = "",
) -> None:
    """Print the log as JSON lines."""
    which = Filter(_seconds(since), _seconds(until), who=who, what=what, target=target)

    async def work(identity: Identity) -> None:
        await identity.record("audit.export", "", what=what)
        async for line in export(identity.engine, which):
            typer.echo(printable_json(line), nl=False)

    on_database(config, work)


def _seconds(at: str | None) -> float | None:
    return None if at is None else moment(at).timestamp()
