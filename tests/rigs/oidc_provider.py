"""An OpenID provider in a process of its own, with a few people, and the browser that logs in there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from auth.tokens.provider_keys import Fetched
from tests.fakes.wait import wait_until
from tests.rigs.processes import answers, free_port, running

PEOPLE = [
    {
        "sub": "subject-olga",
        "preferred_username": "olga",
        "name": "Olga Roe",
        "email": "olga@acme.example",
        "groups": ["staff", "chiefs", "unmapped"],
        "realm_access": {"roles": ["staff"]},
    },
    {"sub": "subject-otto", "email": "otto@acme.example", "email_verified": False},
]


@dataclass(frozen=True)
class Provider:
    issuer: str


@contextmanager
def provider(folder: Path) -> Iterator[Provider]:
    port = free_port()
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    for person in PEOPLE:
        command += ["--user-claims", json.dumps(person)]
    log = folder / "provider.log"
    with running(command, log) as process:
        wait_until(lambda: process.poll() is not None or answers(port), "the identity provider")
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield Provider(f"http://127.0.0.1:{port}")


@dataclass
class Web:
    """HTTP as the server will do it. Attributes: `asked` are the addresses and bodies sent."""

    client: aiohttp.ClientSession
    asked: list[tuple[str, bytes | None]] = field(default_factory=list)

    async def __call__(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Fetched:
        self.asked.append((url, body))
        async with self.client.request(
            method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            return Fetched(answer.status, await answer.read())


async def log_in(client: aiohttp.ClientSession, url: str, form: dict[str, str]) -> dict[str, str]:
    """What a browser brings back from the provider's login form."""
    async with client.post(url, data=form, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
