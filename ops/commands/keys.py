"""`streamer keys`: the master key that every stored secret is sealed with."""

from __future__ import annotations

import typer

from auth.master_keys import add_key, drop_old_keys
from auth.rewrap import rewrap_all
from ops.commands.desk import ConfigFile, on_database
from ops.identity import Identity

app = typer.Typer(help="The master key that stored secrets are sealed with.", no_args_is_help=True)


@app.command()
def rotate(config: ConfigFile) -> None:
    """Make a new master key, seal every secret anew with it, and forget the old one."""

    async def work(identity: Identity) -> int:
        add_key(identity.key_file)
        async with identity.engine.begin() as connection:
            count = await rewrap_all(connection, identity.vault)
        # Signs the audit log's head with the new key; only then nothing needs the old one.
        await identity.record("keys.rotate", identity.vault.primary, sealed_anew=count)
        drop_old_keys(identity.key_file)
        return count

    count = on_database(config, work)
    typer.echo(f"{count} secrets sealed anew; keep a copy of the new master key in a safe place")
