"""Privacy: what is kept about a person, given to him or erased; and the register of requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Literal

from aiohttp import web
from pydantic import BaseModel, Field

from auth.errors import AccountConflict, NoSuchPrincipal
from streamer.engagement.people import Register, Request
from streamer.web.access import Access
from streamer.web.answers import answer
from streamer.web.inputs import Body, Query, read_body, read_query
from streamer.web.operations import Operation
from streamer.web.problems import Problem

_ROOT = "/api/v1/privacy"


@dataclass(frozen=True)
class People:
    """What can be done for people.

    Attributes:
        register: of their requests.
        export: what is kept about an account, by its name, in a form, for whose id is last.
        erase: everything about it, by whose id is last; tells how much that was, by place.
    """

    register: Register
    export: Callable[[str, str, str], Awaitable[str]]
    erase: Callable[[str, str], Awaitable[dict[str, int]]]


class RequestBody(Body):
    """Somebody asks for something."""

    kind: Literal["export", "erase"]
    subject: str = Field(min_length=1, max_length=128)
    note: str = Field("", max_length=1000)


class ExportForm(Query):
    """How an export is written."""

    format: Literal["json", "csv"] = "json"


class RequestModel(BaseModel):
    """A request; `subject` is "" once he is erased."""

    id: str
    kind: str
    subject: str
    requested_at: float
    due_at: float
    completed_at: float | None
    note: str


class RequestsModel(BaseModel):
    """All requests, those that are due first first."""

    requests: list[RequestModel]
    overdue: int


class ErasedModel(BaseModel):
    """How much was erased, by place."""

    erased: dict[str, int]


class Privacy:
    """The handlers."""

    def __init__(self, access: Access, people: People) -> None:
        self._access = access
        self._people = people

    def operations(self) -> list[Operation]:
        """What to route where."""
        user = _ROOT + "/users/{name}"
        missing = {404: "No such account"}
        return [
            Operation(
                "GET",
                f"{_ROOT}/requests",
                self.requests,
                "Who asked to have his data or to be erased, and until when that is due",
                returns=RequestsModel,
                needs="admin",
            ),
            Operation(
                "POST",
                f"{_ROOT}/requests",
                self.enter,
                "Enter a request",
                {201: "Entered; it is due in 30 days"},
                takes=RequestBody,
                returns=RequestModel,
                needs="admin",
            ),
            Operation(
                "GET",
                f"{user}/export",
                self.export,
                "Everything that is kept about a person",
                {200: "By table", **missing},
                query=ExportForm,
                needs="admin",
            ),
            Operation(
                "DELETE",
                user,
                self.erase,
                "Erase a person: the account and everything that is kept about it",
                {200: "Erased", **missing, 409: "Nobody could administer any more"},
                returns=ErasedModel,
                needs="admin",
            ),
        ]

    async def requests(self, request: web.Request) -> web.Response:
        """The register."""
        await self._access.require_admin(request)
        register = self._people.register
        shown = [_model(each) for each in await register.all()]
        return answer(RequestsModel(requests=shown, overdue=await register.overdue()))

    async def enter(self, request: web.Request) -> web.Response:
        """A request that came by letter or mail."""
        await self._access.require_admin(request)
        body = await read_body(request, RequestBody)
        return answer(_model(await self._people.register.enter(body.kind, body.subject, body.note)), 201)

    async def export(self, request: web.Request) -> web.Response:
        """What is kept about a person."""
        permit = await self._access.require_admin(request)
        form = read_query(request, ExportForm).format
        try:
            text = await self._people.export(request.match_info["name"], form, permit.principal.id)
        except NoSuchPrincipal as error:
            raise Problem(404, "no_such_account", str(error)) from None
        kind = {"json": "application/json", "csv": "text/csv"}[form]
        return web.Response(text=text, content_type=kind, headers={"Cache-Control": "no-store"})

    async def erase(self, request: web.Request) -> web.Response:
        """Erase a person."""
        permit = await self._access.require_admin(request)
        try:
            erased = await self._people.erase(request.match_info["name"], permit.principal.id)
        except NoSuchPrincipal as error:
            raise Problem(404, "no_such_account", str(error)) from None
        except AccountConflict as error:
            raise Problem(409, "conflict", str(error)) from None
        return answer(ErasedModel(erased=erased))


def _model(request: Request) -> RequestModel:
    return RequestModel(**asdict(request))
