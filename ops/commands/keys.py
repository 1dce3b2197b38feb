"""`streamer keys`: the master key that every stored secret is sealed with, and the keys that sign tokens."""

from __future__ import annotations

from typing import Annotated

import typer

from auth.tokens.signing import rotate_keys
from auth.vault.master_keys import add_key, drop_old_keys
from auth.vault.rewrap import rewrap_all
from ops.commands.desk import ConfigFile, on_database
from ops.identity.identity import Identity

app = typer.Typer(help="The keys that secrets are sealed and tokens are signed with.", no_args_is_help=True)


@app.command()
def rotate(
    config: ConfigFile,
    end_tokens: Annotated[
        bool,
        typer.Option("--end-tokens", help="End every token there is; for keys that others may know."),
    ] = False,
) -> None:
    """Make a new master key and seal every secret anew with it; sign tokens with a new key.

    The old master key is forgotten. Tokens that were signed with the old key count until they end. Where the
    master keys come from a command or a variable, put the new one before the old one there, restart the
    server, run this, and then drop the old one.
    """

    async def work(identity: Identity) -> int:
        if identity.key_file is not None:
            add_key(identity.key_file)
        overlap_s = 0.0 if end_tokens else identity.authority.tokens.policy.longest()
        async with identity.engine.begin() as connection:
            count = await rewrap_all(connection, identity.vault)
            signs = await rotate_keys(connection, identity.vault, identity.clock(), overlap_s)
        # Signs the audit log's head with the new key; only then nothing needs the old one.
        await identity.record(
            "keys.rotate",
            identity.vault.primary,
            sealed_anew=count,
            signs=signs,
            everything_ended=end_tokens,
        )
        if identity.key_file is not None:
            drop_old_keys(identity.key_file)
        return count

    count = on_database(config, work)
    typer.echo(f"{count} secrets sealed anew; keep a copy of the master key in a safe place")
    kept = "every token has ended" if end_tokens else "tokens that are out count until they end"
    typer.echo(f"a new key signs tokens from now on; {kept}")
