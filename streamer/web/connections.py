"""Connecting accounts on platforms: over the API, and the page of ours to which a platform sends back."""

from __future__ import annotations

import logging
from urllib.parse import urlencode

from aiohttp import web

from auth.access.permit import Basis, Permit
from auth.errors import AuthError, AuthUnavailable, BadCredentials, NoSuchConnection, PlatformRefused
from auth.platforms.connecting import Connecting
from auth.platforms.connections import Connections
from auth.platforms.login import PlatformLogin
from auth.platforms.records import Connection
from auth.platforms.supported import LOGINS
from auth.platforms.token_store import Asker
from auth.signin.oidc import BEGUN_S
from streamer.web import connection_models as models
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.inputs import read_body
from streamer.web.operations import Operation
from streamer.web.origin import client_address, is_https
from streamer.web.problems import Problem

_log = logging.getLogger(__name__)

_PAGE = "/connections"


class ConnectionsFace:
    """The handlers.

    Args:
        public_url: where browsers find this server; "" for where they say they did.
    """

    def __init__(self, connections: Connections, access: Access, public_url: str = "") -> None:
        self._connections = connections
        self._connecting = Connecting(connections)
        self._access = access
        self._public_url = public_url

    def operations(self) -> list[Operation]:
        """What to route where."""
        refused = {422: "The platform refuses, or is not configured; says why"}
        away = {503: "The platform does not answer"}
        missing = {404: "No such connection"}
        return [
            Operation(
                "GET",
                "/api/v1/platforms",
                self.platforms,
                "The platforms, and what connecting asks for and why",
                returns=models.PlatformsModel,
                needs="manage",
            ),
            Operation(
                "POST",
                "/api/v1/platforms/{platform}/connections",
                self.begin,
                "Begin to connect an account in a browser",
                {200: "Where to send the browser; a cookie ties what comes back to it", **refused, **missing},
                returns=models.DepartureModel,
                takes=models.ConnectBody,
                needs="manage",
            ),
            Operation(
                "POST",
                "/api/v1/platforms/{platform}/device-codes",
                self.begin_device,
                "Begin to connect an account with a code for another screen",
                {200: "The code", **refused, **away, **missing},
                returns=models.DeviceCodeModel,
                takes=models.ConnectBody,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/device-codes/{ticket}",
                self.poll_device,
                "What came of a code",
                {200: "Pending or connected", **refused, **away, 404: "No such code, or not any more"},
                returns=models.DeviceStateModel,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/connections",
                self.list,
                "The connected accounts that the asker may use",
                returns=models.ConnectionsModel,
                needs="manage",
            ),
            Operation(
                "GET",
                "/api/v1/connections/{id}",
                self.find,
                "One connected account",
                {200: "The connection", **missing},
                returns=models.ConnectionModel,
                needs="manage",
            ),
            Operation(
                "PATCH",
                "/api/v1/connections/{id}",
                self.pick_page,
                "Pick the page to publish as",
                {200: "The connection", **missing, **refused},
                returns=models.ConnectionModel,
                takes=models.PickBody,
                needs="manage",
            ),
            Operation(
                "DELETE",
                "/api/v1/connections/{id}",
                self.disconnect,
                "Revoke at the platform, and erase the tokens and all that was learnt with them",
                {200: "Erased", **missing},
                returns=models.DisconnectedModel,
                needs="manage",
            ),
            Operation(
                "GET",
                _PAGE + "/callback/{platform:[a-z]+}",
                self.finish,
                "Where platforms send back",
                described=False,
            ),
        ]

    async def platforms(self, request: web.Request) -> web.Response:
        """The platforms."""
        await self._access.require_manage(request, "")
        shown = []
        for kind in LOGINS:
            login = self._connections.logins.get(kind.platform)
            shown.append(
                models.PlatformModel(
                    platform=kind.platform,
                    name=kind.name,
                    configured=login is not None,
                    device_code=login is not None and login.has_device,
                    redirect_url=self._redirect_url(request, kind.platform),
                    scopes=_scopes(kind),
                )
            )
        return answer(models.PlatformsModel(platforms=shown))

    async def begin(self, request: web.Request) -> web.Response:
        """Send a browser to a platform."""
        platform = request.match_info["platform"]
        permit = await self._access.require_manage(request, "")
        body = await read_body(request, models.ConnectBody)
        if body.again:
            await self._usable(body.again, permit)
        departure = self._connecting.begin(
            platform,
            self._redirect_url(request, platform),
            _asker(request, permit, own=body.own),
            body.return_to,
            body.again,
        )
        response = answer(models.DepartureModel(authorization_url=departure.url, expires_in_s=BEGUN_S))
        response.set_cookie(
            _cookie(platform),
            departure.binding,
            max_age=int(BEGUN_S),
            path=_PAGE,
            httponly=True,
            samesite="Lax",
            secure=is_https(request),
        )
        return response

    async def finish(self, request: web.Request) -> web.StreamResponse:
        """A browser comes back; it is sent on to the page that it came from, which says how it went."""
        platform = request.match_info["platform"]
        try:
            binding = request.cookies.get(_cookie(platform), "")
            connected = await self._connecting.finish(platform, dict(request.query), binding)
            where, said = connected.return_to, {"connected": connected.connection.id}
        except AuthError as error:
            _log.warning("connecting to %s failed: %s", platform[:32], error)
            where, said = _PAGE, {"failed": _word(error), "platform": platform}
        separator = "&" if "?" in where else "?"
        response = web.Response(
            status=303,
            headers={
                "Location": f"{where}{separator}{urlencode(said)}",
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
            },
        )
        response.del_cookie(_cookie(platform), path=_PAGE)
        return response

    async def begin_device(self, request: web.Request) -> web.Response:
        """Ask for a code."""
        permit = await self._access.require_manage(request, "")
        body = await read_body(request, models.ConnectBody)
        if body.again:
            await self._usable(body.again, permit)
        asker = _asker(request, permit, own=body.own)
        offer = await self._connecting.begin_device(request.match_info["platform"], asker, body.again)
        return answer(
            models.DeviceCodeModel(
                ticket=offer.ticket,
                user_code=offer.user_code,
                verification_url=offer.verification_url,
                expires_in_s=offer.expires_in_s,
                interval_s=offer.interval_s,
            ),
        )

    async def poll_device(self, request: web.Request) -> web.Response:
        """What came of a code."""
        permit = await self._access.require_manage(request, "")
        asker = _asker(request, permit)
        try:
            found = await self._connecting.poll_device(request.match_info["ticket"], asker)
        except BadCredentials as error:
            raise Problem(404, "no_such_code", str(error)) from None
        shown = self._model(found) if found is not None else None
        state = models.DeviceStateModel(state="connected" if shown else "pending", connection=shown)
        return answer(state)

    async def list(self, request: web.Request) -> web.Response:
        """All that the asker may use."""
        permit = await self._access.require_manage(request, "")
        shown = [each for each in await self._connections.list() if _may_use(each, permit)]
        return answer(models.ConnectionsModel(connections=[self._model(each) for each in shown]))

    async def find(self, request: web.Request) -> web.Response:
        """One of them."""
        permit = await self._access.require_manage(request, "")
        return answer(self._model(await self._usable(request.match_info["id"], permit)))

    async def pick_page(self, request: web.Request) -> web.Response:
        """Publish as another."""
        permit = await self._access.require_manage(request, "")
        body = await read_body(request, models.PickBody)
        record = await self._usable(request.match_info["id"], permit)
        changed = await self._connections.pick_page(record.id, body.page, _asker(request, permit))
        return answer(self._model(changed))

    async def disconnect(self, request: web.Request) -> web.Response:
        """Forget one."""
        permit = await self._access.require_manage(request, "")
        record = await self._usable(request.match_info["id"], permit)
        revoked = await self._connections.disconnect(record.id, _asker(request, permit))
        name = next((kind.name for kind in LOGINS if kind.platform == record.platform), record.platform)
        told = (
            f"{name} has confirmed that it is disconnected"
            if revoked
            else f"the tokens are erased, but {name} did not confirm; remove the app in its settings too"
        )
        return answer(models.DisconnectedModel(revoked=revoked, message=told))

    async def _usable(self, connection_id: str, permit: Permit) -> Connection:
        record = await self._connections.find(connection_id)
        if not _may_use(record, permit):
            raise NoSuchConnection(connection_id)
        return record

    def _redirect_url(self, request: web.Request, platform: str) -> str:
        scheme = "https" if is_https(request) else "http"
        return f"{self._public_url or f'{scheme}://{request.host}'}{_PAGE}/callback/{platform}"

    def _model(self, record: Connection) -> models.ConnectionModel:
        kind = next((kind for kind in LOGINS if kind.platform == record.platform), None)
        login = self._connections.logins.get(record.platform)
        scopes = _scopes(kind) if kind is not None else []
        return models.ConnectionModel(
            id=record.id,
            platform=record.platform,
            name=record.name,
            account=record.subject,
            owner="account" if record.owner else "installation",
            state=record.state.value,
            reason=record.reason,
            scopes=[scope for scope in scopes if scope.name in record.scopes],
            missing_scopes=[scope.name for scope in scopes if scope.name not in record.scopes],
            pages=[models.PageModel(id=page.id, name=page.name) for page in record.pages],
            page=record.page,
            account_can_publish=login is None or login.acts_as_account(record.scopes),
            connected_at=record.created_at,
            checked_at=record.checked_at,
            expires_at=record.expires_at,
        )


def _may_use(record: Connection, permit: Permit) -> bool:
    """Whoever manages the server uses the installation's; an account's own are its alone."""
    return not record.owner or record.owner == permit.principal.id


def _asker(request: web.Request, permit: Permit, *, own: bool = False) -> Asker:
    # The bearer of a token is nobody whom a connection could belong to.
    principal_id = permit.principal.id if permit.basis is Basis.GRANT else ""
    who = permit.principal.id or permit.token_subject
    if own and not principal_id:
        raise Problem(400, "no_account", "own: expected a login, a token has no account; leave it false")
    return Asker(who, client_address(request), principal_id if own else "")


def _scopes(kind: type[PlatformLogin]) -> list[models.ScopeModel]:
    return [models.ScopeModel(name=each.name, reason=each.reason, needed=each.needed) for each in kind.scopes]


def _cookie(platform: str) -> str:
    return f"connecting-{platform}"


def _word(error: AuthError) -> str:
    """For the page, which has words of its own for it."""
    match error:
        case PlatformRefused():
            return error.code
        case BadCredentials():
            return "not_begun"
        case AuthUnavailable():
            return "unavailable"
    return "failed"
