"""Facebook Login: the dialog, codes, tokens that are exchanged for longer ones, and devices."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from aiohttp import web

from ops.sandbox.consent import Consent, Wording
from ops.sandbox.devices import Devices
from ops.sandbox.face import Handler, Refusal, World, operation
from ops.sandbox.facebook.errors import bad_token, graph_error
from ops.sandbox.oauth import Manner, Request, Token, Tokens, Use
from ops.sandbox.pages import message_page
from ops.sandbox.parties import FACEBOOK_CLIENT_TOKEN, Client, Platform
from ops.sandbox.proofs import OAuthProblem, check_secret

_FB = Platform.FACEBOOK
_SHORT_S = 2 * 3600.0
_LONG_S = 60 * 86_400.0
VERSION = r"/{version:v\d+\.\d+}"
SCOPES = {
    "public_profile": "See your name and profile picture",
    "email": "See your e-mail address",
    "publish_video": "Publish live videos to your timeline",
    "pages_show_list": "Show a list of the Pages you manage",
    "pages_read_engagement": "Read content posted on the Page",
    "pages_manage_posts": "Create and manage content on your Page",
    "pages_read_user_content": "Read user content on your Page",
    "read_insights": "Read insights of your Pages",
}
_DENIED = {
    "error": "access_denied",
    "error_code": "200",
    "error_description": "Permissions error",
    "error_reason": "user_denied",
}
# why a code is refused: subcode and text
_CODE = {
    "malformed": (0, "Invalid verification code format."),
    "client": (0, "Invalid verification code format."),
    "spent": (36009, "This authorization code has been used."),
    "expired": (36007, "This authorization code has expired."),
    "redirect": (
        36008,
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you "
        "used in the OAuth dialog request",
    ),
    "verifier": (0, "Invalid code_verifier."),
    "verifier_missing": (0, "Missing code_verifier parameter."),
}
_DEVICE = {
    "authorization_pending": (1349174, "This request requires the user to take a pending action"),
    "slow_down": (1349172, "User request limit reached"),
    "expired_token": (1349152, "The session has expired"),
    "access_denied": (1349175, "The user denied the request"),
}


class FacebookOAuth:
    """The authorization server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens = Tokens(_FB, Manner(_SHORT_S, accumulates=True), world.clock)
        self.devices = Devices(self.tokens, world.clock, 420.0, world.pace.device_interval_s)
        wording = Wording(_DENIED, anchor="_=_")
        self._consent = Consent(world, self.tokens, self.devices, SCOPES, wording)

    def routes(self) -> list[web.RouteDef]:
        """Its addresses, as they are at Facebook."""
        table: list[tuple[str, str, str, Handler]] = [
            ("oauth.dialog", "GET", "/dialog/oauth", self.dialog),
            ("oauth.access_token", "GET", "/oauth/access_token", self.access_token),
            ("oauth.access_token.post", "POST", "/oauth/access_token", self.access_token),
            ("device.login", "POST", "/device/login", self.device_login),
            ("device.login_status", "POST", "/device/login_status", self.device_status),
        ]
        routes = [operation(_FB, name, verb, VERSION + path, handler) for name, verb, path, handler in table]
        return routes + self._consent.routes()

    async def dialog(self, http: web.Request) -> web.Response:
        """The consent page, or Facebook's page about what is wrong with the request."""
        query = http.query
        client = self._world.register.client(_FB, query.get("client_id", ""))
        if client is None:
            return _blocked("Invalid App ID", "The provided app ID does not look like a valid app ID.")
        if not client.redirects_to(query.get("redirect_uri", "")):
            text = (
                "The domain of this URL isn't included in the app's domains, or it is no valid redirect URI."
            )
            return _blocked("URL blocked", text)
        if query.get("response_type", "code") != "code":
            return _blocked("Invalid request", "expected response_type=code")
        scopes = tuple(query.get("scope", "").replace(",", " ").split())
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            return _blocked("Invalid Scopes", ", ".join(unknown))
        challenge = query.get("code_challenge", "")
        if challenge and query.get("code_challenge_method", "plain") != "S256":
            return _blocked("Invalid request", "expected code_challenge_method=S256")
        asked = ("public_profile", *(scope for scope in scopes if scope != "public_profile"))
        state = query.get("state", "")
        request = Request(client, query["redirect_uri"], asked, state, challenge, offline=False)
        return self._consent.ask(request)

    async def access_token(self, http: web.Request) -> web.Response:
        """A code for a token, or a token for one that lives longer."""
        asked = await parameters(http)
        try:
            client = check_secret(
                self._world.register.client(_FB, asked.get("client_id", "")), asked.get("client_secret", "")
            )
            if asked.get("grant_type") == "fb_exchange_token":
                return self._exchange(client, asked.get("fb_exchange_token", ""))
            uri, verifier = asked.get("redirect_uri", ""), asked.get("code_verifier", "")
            issue = self.tokens.redeem(asked.get("code", ""), client, uri, verifier)
        except OAuthProblem as problem:
            raise _refused(problem) from None
        return self._issued(issue.access)

    async def device_login(self, http: web.Request) -> web.Response:
        """A pair of codes for a device."""
        asked = await parameters(http)
        client = self._device_client(asked.get("access_token", ""))
        scopes = frozenset(asked.get("scope", "public_profile").replace(",", " ").split())
        if unknown := sorted(scopes - SCOPES.keys()):
            raise graph_error(100, f"(#100) Invalid Scopes: {', '.join(unknown)}")
        device = self.devices.start(client, scopes | {"public_profile"})
        return web.json_response(
            {
                "code": device.code,
                "user_code": device.user_code.replace("-", ""),
                "verification_uri": f"{self._world.addresses.http}/{_FB}/device",
                "expires_in": int(self.devices.lifetime_s),
                "interval": int(device.interval_s),
            }
        )

    async def device_status(self, http: web.Request) -> web.Response:
        """What came of it."""
        asked = await parameters(http)
        client = self._device_client(asked.get("access_token", ""))
        try:
            issue = self.devices.poll(asked.get("code", ""), client)
        except OAuthProblem as problem:
            if problem.error not in _DEVICE:
                raise graph_error(100, "(#100) Invalid code") from None
            subcode, text = _DEVICE[problem.error]
            raise graph_error(31, text, subcode=subcode) from None
        return self._issued(issue.access)

    def admit(self, http: web.Request, asked: Mapping[str, str]) -> Token:
        """The token of a request to the graph.

        Raises:
            Refusal: none, one that does not count, or a proof that is not this app's.
        """
        scheme, _, text = http.headers.get("Authorization", "").partition(" ")
        text = text if scheme in {"Bearer", "OAuth"} else asked.get("access_token", "")
        token = self.tokens.known(text, Use.ACCESS, Use.PAGE)
        if token is None:
            raise (
                bad_token("", "")
                if text
                else graph_error(104, "An access token is required to request this resource.")
            )
        if why := self.tokens.why_not(token):
            raise bad_token(why, token.grant.client.id)
        proof = asked.get("appsecret_proof")
        if proof is not None and not hmac.compare_digest(proof, _proof(token)):
            raise graph_error(
                100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException"
            )
        return token

    def page_token(self, token: Token, page_id: str) -> Token:
        """The token that speaks for a Page; the same one as long as there is one.

        One that is read with a token of 60 days does not expire.
        """
        lasts = self.tokens.seconds_left(token) > _SHORT_S
        for known in self.tokens.tokens(lambda t: t.use is Use.PAGE and t.grant is token.grant):
            if known.page_id == page_id and (known.expires_at is None) is lasts:
                if not self.tokens.why_not(known):
                    return known
        lifetime_s = None if lasts else float(self.tokens.seconds_left(token))
        return self.tokens.make(Use.PAGE, token.grant, token.scopes, lifetime_s, page_id)

    def _exchange(self, client: Client, text: str) -> web.Response:
        token = self.tokens.known(text, Use.ACCESS)
        if token is None or token.grant.client.id != client.id:
            raise bad_token("", client.id)
        if why := self.tokens.why_not(token):
            raise bad_token(why, client.id)
        return self._issued(self.tokens.make(Use.ACCESS, token.grant, token.scopes, _LONG_S))

    def _issued(self, token: Token) -> web.Response:
        left = self.tokens.seconds_left(token)
        return web.json_response({"access_token": token.text, "token_type": "bearer", "expires_in": left})

    def _device_client(self, token: str) -> Client:
        client_id, _, client_token = token.partition("|")
        client = self._world.register.client(_FB, client_id)
        if client is None or client_token != FACEBOOK_CLIENT_TOKEN:
            raise graph_error(190, "Invalid OAuth access token signature.")
        return client


async def parameters(http: web.Request) -> dict[str, str]:
    """Query and form, which the graph does not tell apart."""
    form = await http.post() if http.can_read_body else {}
    given = {**http.query, **form}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _proof(token: Token) -> str:
    return hmac.new(token.grant.client.secret.encode(), token.text.encode(), hashlib.sha256).hexdigest()


def _refused(problem: OAuthProblem) -> Refusal:
    if problem.why == "secret":
        return graph_error(1, "Error validating client secret.")
    if problem.why == "unknown":
        return graph_error(
            101, "Error validating application. Cannot get application info due to a system error."
        )
    subcode, text = _CODE[problem.why]
    return graph_error(100, text, subcode=subcode)


def _blocked(title: str, text: str) -> web.Response:
    return message_page(400, title, text, _FB)
