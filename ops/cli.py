"""The `streamer` command."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from auth.errors import AuthError
from ops import demo as demonstration
from ops.commands import audit, grants, groups, keys, privacy, relays, token, users
from ops.commands.desk import ConfigFile
from ops.commands.sandbox import sandbox
from ops.process import logs
from ops.process.descriptors import open_standard, raise_limit
from streamer.config import Config, load
from streamer.errors import ConfigError, StreamerError
from transport.errors import LinkError

app = typer.Typer(
    help="Live video server: SRT and RTSP in, browsers out.", no_args_is_help=True, add_completion=False
)

app.command()(sandbox)
app.add_typer(token.app, name="token")
app.add_typer(users.app, name="user")
app.add_typer(groups.app, name="group")
app.add_typer(grants.app, name="grant")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(privacy.app, name="privacy")
app.add_typer(relays.app, name="relay")


@app.command()
def serve(config: ConfigFile) -> None:
    """Serve the streams of a configuration until SIGTERM."""
    _serve(_load(config), config)


@app.command()
def check_config(config: Annotated[Path, typer.Argument(help="The configuration, a TOML file.")]) -> None:
    """Say whether a configuration can be served, and what is wrong with it: its text, and files it names.

    Opens no port, so that it can be asked beside a running server.
    """
    # Here, as the other commands need none of it.
    from ops.components.preflight import find_missing

    loaded = _load(config)
    if findings := find_missing(loaded):
        typer.echo(str(ConfigError(str(config), findings)), err=True)
        raise typer.Exit(2)
    print(f"{config}: good, {len(loaded.streams)} stream(s)")


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where its configuration and state are kept.")] = Path("demo"),
) -> None:
    """Serve a generated picture and tone, pushed over SRT with AES-256, to try a player at once."""
    path = demonstration.write_config(folder)
    config = _load(path)

    async def announce_and_encode() -> None:
        print(f"\n  Open  http://{config.http.listen}/watch/demo\n", flush=True)
        await demonstration.run_encoder(config)

    _serve(config, path, announce_and_encode)


def _serve(config: Config, path: Path, *companions: Callable[[], Awaitable[None]]) -> None:
    # Here, as it brings all of WebRTC with it, which the other commands need not wait for.
    from ops.server import Server

    open_standard()
    redactor = logs.configure(config)
    raise_limit()

    async def run() -> None:
        await Server(config, path, redactor).run(*companions)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
    except* (LinkError, OSError, StreamerError, AuthError) as group:
        for error in group.exceptions:
            typer.echo(f"streamer: {_words(error)}", err=True)
        raise typer.Exit(1) from None


def _words(error: Exception) -> str:
    """What ended the server; of what the system refused, without its number, and with what helps."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{what}; raise the limit of open files (ulimit -n)"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{what}; expected it to be readable and writable for who runs the server"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}; make room there first"
    return what


def _load(path: Path) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
