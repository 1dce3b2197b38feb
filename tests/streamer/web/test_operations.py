from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import pytest
from aiohttp import web
from pydantic import BaseModel

from streamer.web.inputs import Body, Query
from streamer.web.operations import Operation, openapi
from tests.streamer.web.rig import WebRig

PAGES = {
    "/",
    "/dashboard",
    "/recordings",
    "/relays",
    "/connections",
    "/connections/callback/{platform}",
    "/watch/{stream}",
    "/publish/{stream}",
    "/embed/{stream}",
    "/static/{path}",
    "/login",
    "/setup",
    "/account",
    "/admin",
    "/admin/{section}",
    "/invitation",
    "/{stream}/whip",
    "/{stream}/whep",
    "/{stream}/index.m3u8",
    "/{stream}/publish",
}
METHODS = {"get", "post", "patch", "delete", "options", "put"}


def routes(rig: WebRig) -> set[tuple[str, str]]:
    """Method and path of every route, but for the HEAD that comes with each GET."""
    found = set()
    for route in rig.app.router.routes():
        assert route.resource is not None
        path = re.sub(r"{(\w+):[^}]*}", r"{\1}", route.resource.canonical)
        found.add((route.method, path))
    heads = {(method, path) for method, path in found if method == "HEAD"}
    assert {path for _, path in heads} == {path for method, path in found if method == "GET"}
    return found - heads


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_route_is_described_and_vice_versa(rig: WebRig) -> None:
    document = await rig.json("/openapi.json")
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    api = {(method, path) for method, path in routes(rig) if path not in PAGES}
    assert described == api


async def test_the_pages_are_the_only_other_routes(rig: WebRig) -> None:
    assert {path for _, path in routes(rig)} >= PAGES


async def test_all_references_resolve(rig: WebRig) -> None:
    document = await rig.json("/openapi.json")
    found = set(references(document))
    assert found
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
        assert node["type"] in ("object", "string")


async def test_the_structure(rig: WebRig) -> None:
    document = await rig.json("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"]
    assert document["info"]["version"]
    schemes = document["components"]["securitySchemes"]
    for path, operations in document["paths"].items():
        assert path.startswith("/")
        for method, operation in operations.items():
            assert method in METHODS
            assert operation["summary"]
            parameters = operation.get("parameters", [])
            assert all(parameter["schema"] for parameter in parameters)
            named = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert all(p["required"] for p in parameters if p["in"] == "path")
            assert {parameter["in"] for parameter in parameters} <= {"path", "query"}
            for requirement in operation.get("security", []):
                assert set(requirement) <= set(schemes)
            assert any(status < "400" for status in operation["responses"])
            for status, answer in operation["responses"].items():
                assert re.fullmatch("[2-5][0-9]{2}", status)
                assert answer["description"]
                if status >= "400":
                    assert "application/json" in answer["content"]


async def test_answers_are_what_the_description_says(rig: WebRig) -> None:
    rig.publish_to("cam")
    await rig.watch()
    document = await rig.json("/openapi.json")
    schemas = document["components"]["schemas"]
    for path, name in (
        ("/api/v1/live", "LiveModel"),
        ("/api/v1/streams", "StreamsModel"),
        ("/api/v1/viewers", "ViewersModel"),
        ("/api/v1/server", "ServerModel"),
        ("/healthz", "HealthModel"),
    ):
        answer = await rig.json(path, headers=rig.admin)
        assert set(answer) == set(schemas[name]["properties"]), path
        reference = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        assert reference["schema"]["$ref"].endswith(f"/{name}")


async def test_what_needs_a_token_or_a_session_says_so(rig: WebRig) -> None:
    document = await rig.json("/openapi.json")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = set(operation["responses"])
            for requirement in operation.get("security", []):
                # A session's cookie is sent by whatever page asks; the token is known to ours alone.
                if "session" in requirement:
                    assert ("csrf" in requirement) == (method not in ("get", "head")), path
            if {} not in operation.get("security", [{}]):
                assert {"401", "403"} <= answers, path


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Paint(Body):
    colour: Colour
    layers: int = 1


class Filter(Query):
    colours: tuple[Colour, ...] = ()
    since: float | None = None
    text: str


class Painted(BaseModel):
    thickness_mm: float


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


def described(operation: Operation) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operation's description, and all schemas by name."""
    document = openapi([operation])
    (methods,) = document["paths"].values()
    return methods[operation.method.lower()], document["components"]["schemas"]


def test_a_body_is_described_by_its_model() -> None:
    operation, schemas = described(
        Operation("POST", "/walls", nothing, "Paint", {201: "Painted"}, returns=Painted, takes=Paint)
    )
    assert operation["requestBody"]["required"]
    (content,) = operation["requestBody"]["content"].items()
    assert content == ("application/json", {"schema": {"$ref": "#/components/schemas/Paint"}})
    assert schemas["Paint"]["required"] == ["colour"]
    assert schemas["Paint"]["additionalProperties"] is False
    assert schemas["Colour"]["enum"] == ["red", "blue"]
    assert set(operation["responses"]) == {"201", "400", "413", "415"}
    assert "security" not in operation


def test_a_query_is_described_by_its_model() -> None:
    operation, schemas = described(Operation("GET", "/walls/{id}", nothing, "Walls", query=Filter))
    assert [(each["in"], each["name"], each["required"]) for each in operation["parameters"]] == [
        ("path", "id", True),
        ("query", "colours", False),
        ("query", "since", False),
        ("query", "text", True),
    ]
    assert operation["parameters"][1]["schema"]["items"] == {"$ref": "#/components/schemas/Colour"}
    assert "Colour" in schemas
    assert set(operation["responses"]) == {"200", "400"}


@pytest.mark.parametrize(
    ("method", "needs", "security"),
    [
        ("GET", "session", [{"session": []}]),
        ("DELETE", "session", [{"session": [], "csrf": []}]),
        ("GET", "admin", [{"bearer": []}, {"session": []}]),
        ("POST", "manage", [{"bearer": []}, {"session": [], "csrf": []}]),
        ("POST", "watch", [{"bearer": []}, {"session": [], "csrf": []}, {}]),
    ],
)
def test_who_may_is_described(method: str, needs: str, security: list[dict[str, Any]]) -> None:
    operation, _ = described(Operation(method, "/walls", nothing, "Walls", needs=needs))
    assert operation["security"] == security
    assert {"401", "403"} <= set(operation["responses"])


def test_what_an_operation_says_itself_stands() -> None:
    operation, _ = described(
        Operation("GET", "/walls", nothing, "Walls", {200: "All", 403: "Not these"}, needs="admin")
    )
    assert operation["responses"]["403"]["description"] == "Not these"
