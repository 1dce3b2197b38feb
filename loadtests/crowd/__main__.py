"""The crowd's process: a JSON object a line on standard input, one a line back. `driver.py` speaks to it."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import uvloop

from loadtests.crowd.crowd import Crowd, Signalling, Whep


async def _signalling(kind: str, url: str) -> Signalling:
    if kind == "janus":
        from loadtests.peers.janus_signalling import JanusSignalling

        return await JanusSignalling.open(url)
    return Whep(url)


async def _serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    crowd = Crowd(
        await _signalling(arguments.signalling, arguments.url), arguments.host, arguments.check_every
    )

    async def join(request: dict[str, Any]) -> dict[str, Any]:
        return asdict(await crowd.join(request["count"], request["rate"]))

    async def counts(_: dict[str, Any]) -> dict[str, Any]:
        return {
            "at": time.monotonic(),
            "cpu_s": time.process_time(),
            "viewers": len(crowd),
            "counts": asdict(crowd.counts()),
            "first_packets_ms": crowd.first_packets_ms(),
        }

    async def leave(request: dict[str, Any]) -> dict[str, Any]:
        await crowd.leave(request["count"])
        return {"viewers": len(crowd)}

    async def report(_: dict[str, Any]) -> dict[str, Any]:
        crowd.report()
        return {"viewers": len(crowd)}

    does: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
        "join": join,
        "counts": counts,
        "leave": leave,
        "report": report,
    }
    try:
        while line := await reader.readline():
            request = json.loads(line)
            reply = await does[request["do"]](request)
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()
    finally:
        await crowd.close()


def main() -> None:
    """Run until standard input ends."""
    parser = argparse.ArgumentParser(description="Viewers by the thousand; standard input tells what to do.")
    parser.add_argument("url")
    parser.add_argument("--signalling", choices=("whep", "janus"), default="whep")
    parser.add_argument("--host", default="127.0.0.1", help="address to watch from")
    parser.add_argument("--check-every", type=int, default=20)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(arguments))


if __name__ == "__main__":
    main()
