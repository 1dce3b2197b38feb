"""Browsers that sign in to the application over a fake plane."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import Any

import pyotp
from sqlalchemy import select

from auth.accounts.accounts import Account
from auth.audit.entries import Event, audit_log
from auth.permissions.actions import Role
from auth.permissions.grants import Grant, NewGrant, add_grant
from auth.permissions.principals import Kind
from auth.tokens.tokens import SERVER
from streamer.web.operations import CSRF_HEADER
from tests.auth.rig import PASSWORD, Clock
from tests.rigs.authenticator import Authenticator
from tests.streamer.web.rig import WebRig

_MARK = Event(SERVER, "test.mark")


class Browser:
    """Keeps cookies as a browser does, and the CSRF token as our pages do.

    Attributes:
        headers: sent with every request.
        status: of the last answer.
        answered: its headers.
    """

    def __init__(self, rig: WebRig, **headers: str) -> None:
        self._rig = rig
        self.headers: dict[str, str] = dict(headers)
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        self.status = 0
        self.answered: Mapping[str, str] = {}
        #: The attributes of cookies as they were set.
        self.set: SimpleCookie = SimpleCookie()

    async def ask(self, method: str, path: str, json: Any = None, **headers: str) -> Any:
        """The JSON of the answer, or its text."""
        sent = {**self.headers, **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.csrf and CSRF_HEADER not in sent:
            sent[CSRF_HEADER] = self.csrf
        client = self._rig.client
        client.session.cookie_jar.clear()
        async with client.request(method, path, json=json, headers=sent, allow_redirects=False) as answer:
            self.status, self.answered = answer.status, answer.headers
            for line in answer.headers.getall("Set-Cookie", []):
                self.set = SimpleCookie(line)
                for name, morsel in self.set.items():
                    if morsel["max-age"] == "0" or not morsel.value:
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.value
            self.csrf = answer.headers.get(CSRF_HEADER, self.csrf)
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.text()

    async def get(self, path: str, **headers: str) -> Any:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, json: Any = None, **headers: str) -> Any:
        return await self.ask("POST", path, json, **headers)

    async def delete(self, path: str, **headers: str) -> Any:
        return await self.ask("DELETE", path, **headers)

    async def sign_in(self, name: str, password: str = PASSWORD, **more: str) -> Any:
        return await self.post("/api/v1/login", {"name": name, "password": password, **more})


async def user(rig: WebRig, name: str, password: str | None = PASSWORD) -> Account:
    account = await rig.identity.accounts.create(Kind.USER, name)
    if password is not None:
        await rig.identity.passwords.set(account.id, name, password)
    return account


async def grant(rig: WebRig, account: Account, role: Role, stream: str = "*") -> Grant:
    async with rig.identity.engine.begin() as connection:
        given = await add_grant(connection, NewGrant(account.id, role, stream, SERVER), rig.identity.clock())
    await rig.identity.authority.refresh()
    return given


async def audited(rig: WebRig) -> list[tuple[str, str, str]]:
    """Who, what and outcome of everything that is in the audit log or on its way there."""
    await rig.guard.audit.record(_MARK)
    async with rig.identity.engine.connect() as connection:
        rows = await connection.execute(
            select(audit_log.c.who, audit_log.c.what, audit_log.c.outcome).order_by(audit_log.c.seq)
        )
        return [tuple(row) for row in rows if row.what != _MARK.what]


def code(rig: WebRig, app: pyotp.TOTP, steps: int = 0) -> str:
    return app.at(int(rig.clock()), counter_offset=steps)


async def with_app(rig: WebRig, account: Account) -> pyotp.TOTP:
    """Give an account an authenticator app; its code of the next time step is the first to use."""
    totp = rig.identity.totp
    app = pyotp.TOTP((await totp.begin(account.id, account.name)).seed)
    await totp.confirm(account.id, code(rig, app))
    assert isinstance(rig.clock, Clock)
    rig.clock.advance(30)
    return app


async def with_passkey(rig: WebRig, account: Account) -> Authenticator:
    key = Authenticator()
    passkeys = rig.signin.entrance.doors.factors.passkeys
    ceremony = await passkeys.begin_registration(account.id, account.name)
    await passkeys.finish_registration(ceremony.ticket, account.id, key.create(ceremony.options), "key")
    return key
