from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.streamer.web.rig import WebRig

PAGES = {"/", "/watch/{stream}", "/embed/{stream}", "/static/{path}"}
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
        assert node["type"] == "object"


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
            named = {parameter["name"] for parameter in operation.get("parameters", [])}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert all(p["in"] == "path" and p["required"] for p in operation.get("parameters", []))
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


async def test_what_needs_a_token_says_so(rig: WebRig) -> None:
    document = await rig.json("/openapi.json")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            answers = set(operation["responses"])
            # A stream may also demand HTTPS of who holds its session's key and needs no token: 403 alone.
            assert "401" not in answers or "403" in answers, path
            if operation.get("security") == [{"bearer": []}]:
                assert "401" in answers, path
