"""The stand-in platforms, in this process or in one of their own, and the person who consents."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp

from ops.sandbox.app import Options, Sandbox, running
from ops.sandbox.face import Addresses, Pace
from tests.fakes.wait import wait_until
from tests.rigs.processes import answers, free_port
from tests.rigs.processes import running as process_running

# Nothing takes time but what a test makes take time.
QUICK = Pace(transition_s=0.0, auto_stop_s=60.0, processing_s=0.0)


@asynccontextmanager
async def sandbox(pace: Pace = QUICK, **options: Any) -> AsyncIterator[Sandbox]:
    """In this process and on this event loop, on ports nobody has."""
    async with running(replace(Options(pace=pace), **options)) as started:
        yield started


@dataclass(frozen=True)
class SandboxProcess:
    """One that runs as an operator's would.

    Attributes:
        ca_file: to check its RTMPS with.
    """

    addresses: Addresses
    ca_file: Path

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask or tell its control face; returns the JSON that comes back."""
        data = json.dumps(body).encode() if body is not None else None
        url = f"{self.addresses.http}/control{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=20) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextmanager
def sandbox_process(folder: Path, *arguments: str) -> Iterator[SandboxProcess]:
    """In a process of its own; its log is `sandbox.log` in the folder."""
    ports = [free_port() for _ in range(3)]
    places = [f"127.0.0.1:{port}" for port in ports]
    command = [sys.executable, "-m", "ops", "sandbox", *arguments]
    ca_file = folder / "sandbox-ca.pem"
    command += ["--ca-file", str(ca_file)]
    for option, place in zip(("--http", "--rtmp", "--rtmps"), places, strict=True):
        command += [option, place]
    log = folder / "sandbox.log"
    root = str(Path(__file__).parents[2])
    with process_running(command, log, PYTHONPATH=root) as process:
        wait_until(lambda: process.poll() is not None or answers(ports[0]), "the sandbox")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        addresses = Addresses(f"http://{places[0]}", f"rtmp://{places[1]}", f"rtmps://{places[2]}")
        yield SandboxProcess(addresses, ca_file)


async def consent(
    client: aiohttp.ClientSession,
    url: str,
    *,
    account: str = "",
    without: frozenset[str] = frozenset(),
    decision: str = "approve",
) -> str:
    """What a browser would do with a consent page; returns the address it is sent to, or the page's text.

    Args:
        client: HTTP.
        url: the page's.
        account: whose id to choose; "": the first.
        without: scopes to take back.
        decision: which button: "approve" or "deny".
    """
    async with client.get(url) as answer:
        page = await answer.text()
        assert answer.status == 200, page
    action = _found(r'<form method="post" action="([^"]+)"', page)
    form = [
        (unescape(n), unescape(v))
        for n, v in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)
    ]
    accounts = [unescape(value) for value in re.findall(r'name="account" value="([^"]+)"', page)]
    scopes = [unescape(value) for value in re.findall(r'name="scope" value="([^"]+)"', page)]
    form += [("account", account or accounts[0]), ("decision", decision)]
    form += [("scope", scope) for scope in scopes if scope not in without]
    async with client.post(urljoin(url, action), data=form, allow_redirects=False) as answer:
        return answer.headers["Location"] if answer.status == 302 else await answer.text()


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match is not None, page
    return unescape(match[1])
