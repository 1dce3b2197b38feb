"""Every HTTP operation stands in one table: the routes are made from it, and so is `/openapi.json`."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from streamer.web.problems import Handler

#: In the API's table, and in what WHEP answers.
CONTENT_KEY_PATH = "/api/v1/streams/{name}/content-key"
_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")


class ProblemBody(BaseModel):
    """What every answer of 400 and above carries."""

    error: str
    message: str
    retry_after_s: int | None = None


@dataclass(frozen=True)
class Operation:
    """One method on one path.

    Attributes:
        method: upper case.
        path: aiohttp's form, `/api/v1/streams/{name}`.
        handler: what answers.
        summary: one line.
        answers: status to what it means.
        returns: model of the body of the first answer, None for another kind of body.
        content: media type of that body.
        accepts: media type of the request's body, "" for none.
        needs: "admin", "manage", "watch" or "" for anyone.
        described: False for operations that are not part of the API: pages, preflight.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, str] = field(default_factory=lambda: {200: "Done"})
    returns: type[BaseModel] | None = None
    content: str = "application/json"
    accepts: str = ""
    needs: str = ""
    described: bool = True

    @property
    def documented_path(self) -> str:
        """The path as OpenAPI writes it."""
        return _PARAMETER.sub(r"{\1}", self.path)


def add_routes(app: web.Application, operations: Iterable[Operation]) -> None:
    """Give an application its routes; what can be got can be asked after with HEAD (RFC 9110 section 9.1)."""
    for operation in operations:
        app.router.add_route(operation.method, operation.path, operation.handler)
        if operation.method == "GET":
            app.router.add_route("HEAD", operation.path, operation.handler)


def openapi(operations: Iterable[Operation]) -> dict[str, Any]:
    """Describe the operations as OpenAPI 3.1."""
    described = [operation for operation in operations if operation.described]
    models = {operation.returns for operation in described if operation.returns} | {ProblemBody}
    schemas, definitions = models_json_schema(
        [(model, "serialization") for model in sorted(models, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
    references: dict[Any, Any] = {model: schema for (model, _), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        paths.setdefault(operation.documented_path, {})[operation.method.lower()] = _describe(
            operation, references
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamer", "version": importlib.metadata.version("streamer")},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": operation.summary, "responses": {}}
    parameters = _PARAMETER.findall(operation.path)
    if parameters:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in parameters
        ]
    if operation.accepts:
        described["requestBody"] = {
            "required": True,
            "content": {operation.accepts: {"schema": {"type": "string"}}},
        }
    if operation.needs:
        # Public streams may be watched without a token: an empty requirement says "or nothing".
        described["security"] = [{"bearer": []}] + ([{}] if operation.needs == "watch" else [])
    for position, (status, meaning) in enumerate(operation.answers.items()):
        answer: dict[str, Any] = {"description": meaning}
        if status >= 400:
            answer["content"] = {"application/json": {"schema": references[ProblemBody]}}
        elif position == 0 and operation.returns is not None:
            answer["content"] = {operation.content: {"schema": references[operation.returns]}}
        elif position == 0 and operation.content != "application/json":
            answer["content"] = {operation.content: {"schema": {"type": "string"}}}
        described["responses"][str(status)] = answer
    return described
