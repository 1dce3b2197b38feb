"""id.twitch.tv: consent, tokens whose refresh tokens rotate, devices, validation, revocation."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from ops.sandbox.consent import Consent, Wording
from ops.sandbox.devices import Devices
from ops.sandbox.face import CALL, Handler, Refusal, World, operation
from ops.sandbox.oauth import Issue, Manner, Request, Tokens, Use
from ops.sandbox.pages import message_page
from ops.sandbox.parties import Client, Platform
from ops.sandbox.proofs import OAuthProblem, check_secret
from ops.sandbox.twitch.errors import login_error

_TW = Platform.TWITCH
READ_KEY = "channel:read:stream_key"
MANAGE = "channel:manage:broadcast"
SCOPES = {
    READ_KEY: "View your channel's stream key",
    MANAGE: "Manage your channel's broadcast configuration, including title, category and tags",
    "user:read:email": "View your e-mail address",
    "user:read:broadcast": "View your channel's broadcast configuration",
    "channel:read:subscriptions": "View your channel's subscribers",
    "analytics:read:extensions": "View analytics data for your extensions",
}
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# why it is refused: status and message
_TEXTS = {
    "unknown": (400, "invalid client"),
    "secret": (403, "invalid client secret"),
    "redirect": (400, "Parameter redirect_uri does not match registered URI"),
    "pending": (400, "authorization_pending"),
    "slow_down": (400, "slow_down"),
    "denied": (400, "access_denied"),
    "verifier": (400, "invalid code verifier"),
    "verifier_missing": (400, "missing code verifier"),
}


class TwitchOAuth:
    """The authorization server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens = Tokens(_TW, Manner(14_400.0, rotates=True, refresh_lifetime_s=None), world.clock)
        self.devices = Devices(self.tokens, world.clock, 1800.0, world.pace.device_interval_s)
        denied = {"error": "access_denied", "error_description": "The user denied you access"}
        wording = Wording(denied, lambda scopes: {"scope": " ".join(sorted(scopes))})
        self._consent = Consent(world, self.tokens, self.devices, SCOPES, wording)

    def routes(self) -> list[web.RouteDef]:
        """Its addresses, as they are at Twitch."""
        table: list[tuple[str, str, str, Handler]] = [
            ("oauth.authorize", "GET", "/oauth2/authorize", self.authorize),
            ("oauth.token", "POST", "/oauth2/token", self.token),
            ("oauth.device", "POST", "/oauth2/device", self.device),
            ("oauth.validate", "GET", "/oauth2/validate", self.validate),
            ("oauth.revoke", "POST", "/oauth2/revoke", self.revoke),
        ]
        return [operation(_TW, *entry) for entry in table] + self._consent.routes()

    async def authorize(self, http: web.Request) -> web.Response:
        """The consent page, or why there is none."""
        query = http.query
        client, state = self._client(query.get("client_id", "")), query.get("state", "")
        if client is None:
            raise login_error(400, "invalid client")
        redirect_uri = query.get("redirect_uri", "")
        if not client.redirects_to(redirect_uri):
            return _page("redirect_mismatch", "Parameter redirect_uri does not match registered URI")
        scopes = tuple(query.get("scope", "").split())
        if query.get("response_type") != "code":
            raise self._back(redirect_uri, state, "unsupported_response_type", "expected response_type=code")
        if any(scope not in SCOPES for scope in scopes):
            raise self._back(redirect_uri, state, "invalid_scope", "invalid scope requested")
        # Twitch itself looks at no code challenge; one that is sent must still be met.
        challenge = query.get("code_challenge", "")
        return self._consent.ask(Request(client, redirect_uri, scopes, state, challenge))

    async def token(self, http: web.Request) -> web.Response:
        """Codes, device codes and refresh tokens for access tokens."""
        form = {key: str(value) for key, value in {**http.query, **await http.post()}.items()}
        kind, client = form.get("grant_type", ""), self._client(form.get("client_id", ""))
        try:
            match kind:
                case "authorization_code":
                    app = check_secret(client, form.get("client_secret", ""))
                    uri, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
                    return self._issued(self.tokens.redeem(form.get("code", ""), app, uri, verifier))
                case "refresh_token":
                    app = check_secret(client, form.get("client_secret", ""))
                    return self._issued(self.tokens.refresh(form.get("refresh_token", ""), app))
                case _ if kind == _DEVICE_GRANT and client is not None:
                    return self._issued(self.devices.poll(form.get("device_code", ""), client))
        except OAuthProblem as problem:
            raise _refused(problem, kind) from None
        raise login_error(400, "invalid grant type" if client is not None else "invalid client")

    async def device(self, http: web.Request) -> web.Response:
        """A pair of codes for a device."""
        form = await http.post()
        client = self._client(str(form.get("client_id", "")))
        if client is None:
            raise login_error(400, "invalid client")
        scopes = frozenset(str(form.get("scopes", form.get("scope", ""))).split())
        if not scopes <= SCOPES.keys():
            raise login_error(400, "invalid scope requested")
        device = self.devices.start(client, scopes)
        user_code = device.user_code.replace("-", "")
        return web.json_response(
            {
                "device_code": device.code,
                "user_code": user_code,
                "verification_uri": f"{self._world.addresses.http}/{_TW}/device?user_code={user_code}",
                "expires_in": int(self.devices.lifetime_s),
                "interval": int(device.interval_s),
            }
        )

    async def validate(self, http: web.Request) -> web.Response:
        """Whether a token counts, whose it is and what for."""
        scheme, _, text = http.headers.get("Authorization", "").partition(" ")
        if scheme not in {"OAuth", "Bearer"} or not text:
            raise login_error(401, "missing authorization token")
        token = self.tokens.known(text, Use.ACCESS)
        if token is None or self.tokens.why_not(token):
            raise login_error(401, "invalid access token")
        account = token.grant.account
        http[CALL].client_id, http[CALL].account_id = token.grant.client.id, account.id
        return web.json_response(
            {
                "client_id": token.grant.client.id,
                "login": account.login,
                "scopes": sorted(token.allows),
                "user_id": account.id,
                "expires_in": self.tokens.seconds_left(token),
            }
        )

    async def revoke(self, http: web.Request) -> web.Response:
        """End a grant by one of its tokens."""
        form = {**http.query, **await http.post()}
        client = self._client(str(form.get("client_id", "")))
        if client is None:
            raise login_error(404, "client does not exist")
        token = self.tokens.known(str(form.get("token", "")), Use.ACCESS, Use.REFRESH)
        if token is None or token.grant.client.id != client.id or self.tokens.why_not(token):
            raise login_error(400, "Invalid token")
        self.tokens.revoke(token)
        return web.Response()

    def _client(self, client_id: str) -> Client | None:
        return self._world.register.client(_TW, client_id)

    def _issued(self, issue: Issue) -> web.Response:
        assert issue.refresh is not None
        return web.json_response(
            {
                "access_token": issue.access.text,
                "expires_in": self.tokens.seconds_left(issue.access),
                "refresh_token": issue.refresh.text,
                "scope": sorted(issue.access.allows),
                "token_type": "bearer",
            }
        )

    def _back(self, redirect_uri: str, state: str, error: str, text: str) -> web.HTTPFound:
        answer = {"error": error, "error_description": text, "state": state}
        joint = "&" if "?" in redirect_uri else "?"
        return web.HTTPFound(f"{redirect_uri}{joint}{urlencode(answer)}")


def _refused(problem: OAuthProblem, kind: str) -> Refusal:
    if problem.why in _TEXTS:
        return login_error(*_TEXTS[problem.why])
    if kind == "refresh_token":
        return login_error(400, "Invalid refresh token")
    text = "invalid device code" if kind == _DEVICE_GRANT else "Invalid authorization code"
    return login_error(400, text)


def _page(title: str, text: str) -> web.Response:
    return message_page(400, title, text, _TW)
