"""What handlers answer with."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from pydantic import BaseModel

#: For what is of this moment, or for one person alone.
NO_STORE = {"Cache-Control": "no-store"}


def json_answer(
    model: BaseModel, headers: Mapping[str, str] | None = None, *, status: int = 200
) -> web.Response:
    """A model as JSON, under the names that others know its fields by."""
    return web.json_response(text=model.model_dump_json(by_alias=True), status=status, headers=headers)
