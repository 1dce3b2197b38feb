"""What handlers answer with."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

#: What is told is of this moment, or for one person alone.
NO_STORE = {"Cache-Control": "no-store"}


def answer(model: BaseModel, status: int = 200) -> web.Response:
    """A model as JSON, under the names that others know its fields by; nobody on the way keeps it."""
    return web.json_response(text=model.model_dump_json(by_alias=True), status=status, headers=NO_STORE)
