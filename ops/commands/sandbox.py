"""`streamer sandbox`: stand-in platforms on this machine, to try relays without an account."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from ops.sandbox.parties import Certificate


def sandbox(
    http: Annotated[str, typer.Option(help="Pages and APIs listen here.")] = "127.0.0.1:9080",
    rtmp: Annotated[str, typer.Option(help="RTMP listens here.")] = "127.0.0.1:19350",
    rtmps: Annotated[str, typer.Option(help="RTMP over TLS listens here.")] = "127.0.0.1:19443",
    ca_file: Annotated[
        Path, typer.Option(help="The authority to check RTMPS with is written there, PEM.")
    ] = Path("sandbox-ca.pem"),
    certificate: Annotated[Certificate, typer.Option(help="What RTMPS shows; wrong ones are for tests.")] = (
        Certificate.GOOD
    ),
    record: Annotated[Path | None, typer.Option(help="Keep what is received there, as FLV files.")] = None,
) -> None:
    """Stand in for YouTube, Facebook and Twitch: consent pages, APIs, and a sink for RTMP(S)."""
    # Here, as the other commands need not wait for it.
    from ops.sandbox.app import Options, running
    from ops.sandbox.greeting import greeting

    options = Options(
        http=http, rtmp=rtmp, rtmps=rtmps, record=record, ca_file=ca_file, certificate=certificate
    )

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with running(options) as started:
            typer.echo(greeting(started.world, ca_file.resolve()))
            await stop.wait()

    try:
        asyncio.run(run())
    except (OSError, ValueError) as error:
        typer.echo(f"streamer: {error}", err=True)
        raise typer.Exit(1) from None
