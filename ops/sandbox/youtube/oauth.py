"""accounts.google.com and oauth2.googleapis.com: consent, tokens, devices, revocation."""

from __future__ import annotations

from aiohttp import web

from ops.sandbox.consent import Consent, Wording
from ops.sandbox.devices import Devices
from ops.sandbox.face import Handler, Refusal, World, operation
from ops.sandbox.oauth import Issue, Manner, Request, Tokens
from ops.sandbox.pages import message_page
from ops.sandbox.parties import ClientKind, Platform
from ops.sandbox.proofs import OAuthProblem, check_secret

_YT = Platform.YOUTUBE
_BASE = "https://www.googleapis.com/auth/"
MANAGE = _BASE + "youtube"
FORCE_SSL = _BASE + "youtube.force-ssl"
READ = _BASE + "youtube.readonly"
UPLOAD = _BASE + "youtube.upload"
SCOPES = {
    MANAGE: "Manage your YouTube account",
    FORCE_SSL: "See, edit and delete your YouTube videos, ratings, comments and captions",
    READ: "View your YouTube account",
    UPLOAD: "Manage your YouTube videos",
    _BASE + "yt-analytics.readonly": "View YouTube Analytics reports for your YouTube content",
    "openid": "Know who you are on Google",
    "email": "See your e-mail address",
    "profile": "See your personal info",
}
# Google allows a device to ask for no more than these.
_OF_DEVICES = frozenset({MANAGE, READ, "openid", "email", "profile"})
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_TOO_LITTLE = "Only clients of type 'TVs and Limited Input devices' can use the OAuth 2.0 flow for TV and "
_WRONG_KIND = _TOO_LITTLE + "Limited-Input Device Applications. Please create and use an appropriate client."

_DESCRIPTIONS = {
    "malformed": "Malformed auth code.",
    "spent": "Bad Request",
    "expired": "Token has been expired or revoked.",
    "revoked": "Token has been expired or revoked.",
    "removed": "Token has been expired or revoked.",
    "replayed": "Token has been expired or revoked.",
    "client": "Bad Request",
    "redirect": "Bad Request",
    "verifier": "Invalid code verifier.",
    "verifier_missing": "Missing code verifier.",
    "unknown": "The OAuth client was not found.",
    "secret": "Unauthorized",
    "pending": "Precondition Required",
    "slow_down": "Forbidden",
    "denied": "Forbidden",
}
_STATUS = {"invalid_client": 401, "authorization_pending": 428, "slow_down": 403, "access_denied": 403}


class GoogleOAuth:
    """The authorization server.

    Args:
        rotates: give out a new refresh token with each refresh; Google usually does not.
        testing: an app whose consent screen is in "testing": refresh tokens live for seven days.
    """

    def __init__(self, world: World, *, rotates: bool = False, testing: bool = False) -> None:
        self._world = world
        manner = Manner(3599.0, rotates, 7 * 86_400.0 if testing else None, replay_ends=True)
        self.tokens = Tokens(_YT, manner, world.clock)
        self.devices = Devices(self.tokens, world.clock, 1800.0, world.pace.device_interval_s)
        wording = Wording({"error": "access_denied"}, lambda scopes: {"scope": " ".join(sorted(scopes))})
        self._consent = Consent(world, self.tokens, self.devices, SCOPES, wording)

    def routes(self) -> list[web.RouteDef]:
        """Its addresses, as they are at Google."""
        table: list[tuple[str, str, str, Handler]] = [
            ("oauth.authorize", "GET", "/o/oauth2/v2/auth", self.authorize),
            ("oauth.token", "POST", "/token", self.token),
            ("oauth.device", "POST", "/device/code", self.device_code),
            ("oauth.revoke", "POST", "/revoke", self.revoke),
        ]
        return [operation(_YT, *entry) for entry in table] + self._consent.routes()

    async def authorize(self, http: web.Request) -> web.Response:
        """The consent page, or Google's page about what is wrong with the request."""
        query = http.query
        client = self._world.register.client(_YT, query.get("client_id", ""))
        if client is None:
            return _blocked("Error 401: invalid_client", "The OAuth client was not found.")
        if client.kind is ClientKind.TV or not client.redirects_to(query.get("redirect_uri", "")):
            return _blocked("Error 400: redirect_uri_mismatch", f"{client.name} sent an invalid request.")
        if query.get("response_type") != "code":
            return _blocked("Error 400: invalid_request", "expected response_type=code")
        scopes = tuple(query.get("scope", "").split())
        if not scopes or (unknown := [scope for scope in scopes if scope not in SCOPES]):
            what = (
                f"Some requested scopes were invalid. {unknown}"
                if scopes
                else "Missing required parameter: scope"
            )
            return _blocked("Error 400: invalid_scope", what)
        challenge = query.get("code_challenge", "")
        if challenge and query.get("code_challenge_method", "plain") != "S256":
            return _blocked("Error 400: invalid_request", "expected code_challenge_method=S256")
        request = Request(
            client,
            query["redirect_uri"],
            scopes,
            query.get("state", ""),
            challenge,
            offline=query.get("access_type", "online") == "offline",
            once_only="consent" not in query.get("prompt", "").split(),
        )
        return self._consent.ask(request)

    async def token(self, http: web.Request) -> web.Response:
        """Codes, device codes and refresh tokens for access tokens."""
        form = {key: str(value) for key, value in (await http.post()).items()}
        kind = form.get("grant_type", "")
        try:
            client = check_secret(
                self._world.register.client(_YT, form.get("client_id", "")), form.get("client_secret", "")
            )
            match kind:
                case "authorization_code":
                    issue = self.tokens.redeem(
                        form.get("code", ""),
                        client,
                        form.get("redirect_uri", ""),
                        form.get("code_verifier", ""),
                    )
                    return self._issued(issue, with_refresh=issue.refresh is not None)
                case "refresh_token":
                    issue = self.tokens.refresh(form.get("refresh_token", ""), client)
                    return self._issued(issue, with_refresh=self.tokens.manner.rotates)
                case _ if kind == DEVICE_GRANT:
                    return self._issued(
                        self.devices.poll(form.get("device_code", ""), client), with_refresh=True
                    )
        except OAuthProblem as problem:
            raise _refused(problem) from None
        raise _refused(OAuthProblem("unsupported_grant_type", "grant_type", f"Invalid grant_type: {kind}"))

    async def device_code(self, http: web.Request) -> web.Response:
        """A pair of codes for a device."""
        form = await http.post()
        client = self._world.register.client(_YT, str(form.get("client_id", "")))
        if client is None:
            raise _refused(OAuthProblem("invalid_client", "unknown"))
        if client.kind is ClientKind.WEB:
            raise _refused(OAuthProblem("invalid_client", "kind", _WRONG_KIND))
        scopes = frozenset(str(form.get("scope", "")).split())
        if not scopes or not scopes <= _OF_DEVICES:
            raise _refused(OAuthProblem("invalid_scope", "scope", "Invalid device flow scope"))
        device = self.devices.start(client, scopes)
        return web.json_response(
            {
                "device_code": device.code,
                "user_code": device.user_code,
                "verification_url": f"{self._world.addresses.http}/{_YT}/device",
                "expires_in": int(self.devices.lifetime_s),
                "interval": int(device.interval_s),
            }
        )

    async def revoke(self, http: web.Request) -> web.Response:
        """End a grant by one of its tokens."""
        text = http.query.get("token") or str((await http.post()).get("token", ""))
        token = self.tokens.known(text)
        if token is None or self.tokens.why_not(token) not in {"", "spent"}:
            raise _refused(OAuthProblem("invalid_token", "token", "Token expired or revoked"))
        self.tokens.revoke(token)
        return web.json_response({})

    def _issued(self, issue: Issue, *, with_refresh: bool) -> web.Response:
        access = issue.access
        body: dict[str, object] = {
            "access_token": access.text,
            "expires_in": self.tokens.seconds_left(access),
            "scope": " ".join(sorted(access.allows)),
            "token_type": "Bearer",
        }
        if with_refresh and issue.refresh is not None:
            body["refresh_token"] = issue.refresh.text
            if issue.refresh.expires_at is not None:
                body["refresh_token_expires_in"] = self.tokens.seconds_left(issue.refresh)
        return web.json_response(body, headers={"Cache-Control": "no-cache, no-store"})


def _refused(problem: OAuthProblem) -> Refusal:
    description = _DESCRIPTIONS.get(problem.why, str(problem))
    body = {"error": problem.error, "error_description": description}
    return Refusal(_STATUS.get(problem.error, 400), body, problem.error)


def _blocked(title: str, text: str) -> web.Response:
    return message_page(400, "Access blocked: authorization error", f"{title}. {text}", _YT)
