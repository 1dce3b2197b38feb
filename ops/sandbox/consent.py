"""The pages on which somebody logs in and says yes or no, for codes and for devices.

One page for all three platforms: choose an account, take back scopes, approve or deny. pages.py draws it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from ops.sandbox.devices import Device, Devices
from ops.sandbox.face import World, operation
from ops.sandbox.oauth import Request, Tokens
from ops.sandbox.pages import Choice, consent_page, device_page, done_page, message_page
from ops.sandbox.parties import Account


@dataclass(frozen=True)
class Wording:
    """What a platform puts into the address the browser goes back to.

    Attributes:
        granted: its parameters besides `code` and `state`, of the scopes that were granted.
        denied: its parameters besides `state`.
        anchor: put behind the address; Facebook's `_=_`.
    """

    denied: Mapping[str, str]
    granted: Callable[[frozenset[str]], dict[str, str]] = lambda scopes: {}
    anchor: str = ""


class Consent:
    """The pages of one platform.

    Args:
        scopes: what each means, in words; others cannot be asked for.
    """

    def __init__(
        self, world: World, tokens: Tokens, devices: Devices, scopes: Mapping[str, str], wording: Wording
    ) -> None:
        self._world = world
        self._tokens = tokens
        self._devices = devices
        self._wording = wording
        self._pending: dict[str, Request] = {}
        self.scopes = scopes

    def routes(self) -> list[web.RouteDef]:
        """Where the forms go, and where devices send their users."""
        platform = self._tokens.platform
        return [
            operation(platform, "consent", "POST", "/consent", self.decide),
            operation(platform, "device.page", "GET", "/device", self.enter_code),
            operation(platform, "device.consent", "POST", "/device", self.decide_device),
        ]

    def ask(self, request: Request) -> web.Response:
        """The page for an authorization request that has been found good."""
        ticket = secrets.token_urlsafe(24)
        self._pending[ticket] = request
        where = urlsplit(request.redirect_uri)
        return consent_page(
            self._choice(request.client.name, frozenset(request.scopes)),
            action=f"/{self._tokens.platform}/consent",
            hidden={"ticket": ticket},
            # Chromium holds redirects after a form to form-action too.
            leads_to=f"{where.scheme}://{where.netloc}",
        )

    async def decide(self, http: web.Request) -> web.Response:
        """The user pressed a button."""
        form = await http.post()
        request = self._pending.pop(str(form.get("ticket", "")), None)
        if request is None:
            return message_page(400, "This page is too old", "Go back to the app and begin again.")
        answer: dict[str, str] = {}
        if form.get("decision") == "approve":
            account = self._account(str(form.get("account", "")))
            if account is None:
                return message_page(400, "No account chosen", "Go back and choose one.")
            scopes = frozenset(str(scope) for scope in form.getall("scope", [])) & frozenset(request.scopes)
            code = self._tokens.make_code(request, account, scopes)
            answer = {"code": code, **self._wording.granted(scopes)}
        else:
            answer = dict(self._wording.denied)
        if request.state:
            answer["state"] = request.state
        raise web.HTTPFound(self._back(request.redirect_uri, answer))

    async def enter_code(self, http: web.Request) -> web.Response:
        """Where the user of a device types in its code; with `user_code` in the address that is done."""
        platform = self._tokens.platform
        user_code = http.query.get("user_code", "")
        if not user_code:
            return device_page(platform, action=f"/{platform}/device")
        device = self._devices.waiting(user_code)
        if device is None:
            return device_page(platform, action=f"/{platform}/device", wrong=user_code)
        return consent_page(
            self._choice(device.client.name, device.scopes),
            action=f"/{platform}/device",
            hidden={"user_code": device.user_code},
        )

    async def decide_device(self, http: web.Request) -> web.Response:
        """The user of a device pressed a button."""
        form = await http.post()
        device = self._devices.waiting(str(form.get("user_code", "")))
        if device is None:
            return message_page(400, "This code is not known", "It may be too old: look at the device again.")
        if form.get("decision") != "approve":
            device.denied = True
            return done_page("Denied", "The device was told no.")
        account = self._account(str(form.get("account", "")))
        if account is None:
            return message_page(400, "No account chosen", "Go back and choose one.")
        return self._approve(device, account, frozenset(str(scope) for scope in form.getall("scope", [])))

    def _approve(self, device: Device, account: Account, scopes: frozenset[str]) -> web.Response:
        self._devices.approve(device, account, scopes & device.scopes)
        return done_page("Approved", "The device goes on by itself. This page can be closed.")

    def _choice(self, app: str, scopes: frozenset[str]) -> Choice:
        accounts = self._world.register.accounts_of(self._tokens.platform)
        wanted = {scope: self.scopes.get(scope, scope) for scope in sorted(scopes)}
        return Choice(self._tokens.platform, app, tuple(accounts), wanted)

    def _account(self, account_id: str) -> Account | None:
        return self._world.register.account(self._tokens.platform, account_id)

    def _back(self, redirect_uri: str, answer: Mapping[str, str]) -> str:
        joint = "&" if urlsplit(redirect_uri).query else "?"
        anchor = f"#{self._wording.anchor}" if self._wording.anchor else ""
        return f"{redirect_uri}{joint}{urlencode(answer)}{anchor}"
