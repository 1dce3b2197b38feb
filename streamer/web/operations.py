"""Every HTTP operation stands in one table: the routes are made from it, and so is `/openapi.json`.

What an operation takes is read by `streamer.web.inputs`, by the same models that describe it here.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from streamer.web.problems import Handler

#: In the API's table, and in what WHEP answers.
CONTENT_KEY_PATH = "/api/v1/streams/{name}/content-key"
#: In which pages of ours say that a request with a session's cookie comes from them.
CSRF_HEADER = "X-CSRF-Token"
#: Methods that change nothing, and need no such header (RFC 9110 section 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_JSON = "application/json"
_PARAMETER = re.compile(r"{(\w+)(?::[^}]*)?}")
_REFERENCE = "#/components/schemas/{model}"
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "session",
        "description": "Set by logging in; over HTTPS it is called __Host-session.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": "`csrf_token` of GET /api/v1/session; beside the cookie for all but GET and HEAD.",
    },
}


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
        content: media type of that body; several, with ", " between them, where it depends on the request.
        takes: model of the JSON in the request's body.
        accepts: media type of another kind of body, "" for none.
        query: model of the query's parameters.
        needs: "session" for whoever is logged in; another word is what a token, or a session's owner, must be
            allowed, as "admin", "manage", "watch"; "" for anyone.
        described: False for operations that are not part of the API: pages, preflight.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, str] = field(default_factory=lambda: {200: "Done"})
    returns: type[BaseModel] | None = None
    content: str = _JSON
    takes: type[BaseModel] | None = None
    accepts: str = ""
    query: type[BaseModel] | None = None
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
    references, schemas = _schemas(described)
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        paths.setdefault(operation.documented_path, {})[operation.method.lower()] = _describe(
            operation, references, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamer", "version": importlib.metadata.version("streamer")},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


#: From a model, as what is sent ("serialization") or taken ("validation"), to where it is described.
_References = dict[tuple[Any, JsonSchemaMode], dict[str, Any]]


def _schemas(operations: list[Operation]) -> tuple[_References, dict[str, Any]]:
    """Where each model is described, and the descriptions by name."""
    models: set[tuple[type[BaseModel], JsonSchemaMode]] = {(ProblemBody, "serialization")}
    for operation in operations:
        models |= {(operation.returns, "serialization")} if operation.returns else set()
        models |= {(operation.takes, "validation")} if operation.takes else set()
    ordered = sorted(models, key=lambda each: (each[0].__name__, each[1]))
    references, definitions = models_json_schema(ordered, ref_template=_REFERENCE)
    return {**references}, definitions.get("$defs", {})


def _describe(operation: Operation, references: _References, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": operation.summary, "responses": {}}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]
    if operation.query is not None:
        parameters += _query(operation.query, schemas)
    if parameters:
        described["parameters"] = parameters
    if operation.takes is not None:
        schema = references[operation.takes, "validation"]
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    elif operation.accepts:
        described["requestBody"] = {
            "required": True,
            "content": {operation.accepts: {"schema": {"type": "string"}}},
        }
    if operation.needs:
        described["security"] = _security(operation)
    problem = {_JSON: {"schema": references[ProblemBody, "serialization"]}}
    for position, (status, meaning) in enumerate(operation.answers.items()):
        answer: dict[str, Any] = {"description": meaning}
        if status >= 400:
            answer["content"] = problem
        elif position == 0 and operation.returns is not None:
            schema = references[operation.returns, "serialization"]
            answer["content"] = {operation.content: {"schema": schema}}
        elif position == 0 and operation.content != _JSON:
            answer["content"] = {
                kind: {"schema": {"type": "string"}} for kind in operation.content.split(", ")
            }
        described["responses"][str(status)] = answer
    for status, meaning in _always(operation).items():
        described["responses"].setdefault(str(status), {"description": meaning, "content": problem})
    return described


def _query(model: type[BaseModel], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """A model's fields as parameters; what they refer to joins the schemas."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    schemas.update(schema.get("$defs", {}))
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": described}
        for name, described in schema.get("properties", {}).items()
    ]


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    session: dict[str, list[str]] = {"session": []}
    if operation.method not in SAFE_METHODS:
        session["csrf"] = []
    if operation.needs == "session":
        return [session]
    # Public streams may be watched without anything: an empty requirement says "or nothing".
    required: list[dict[str, list[str]]] = [{"bearer": []}, session]
    return [*required, {}] if operation.needs == "watch" else required


def _always(operation: Operation) -> dict[int, str]:
    """What each operation of a kind may answer, unless it says something else of that status itself."""
    found: dict[int, str] = {}
    if operation.takes is not None:
        found |= {413: "A body that is too large", 415: f"Not {_JSON}"}
    if operation.takes is not None or operation.query is not None:
        found |= {400: "Not what is taken here; the message says what is"}
    if operation.needs == "session":
        found |= {401: "Nobody is logged in", 403: "The CSRF token is missing, or this session may not"}
    elif operation.needs:
        found |= {401: "A login or a token is needed", 403: "It does not open this"}
    return found
