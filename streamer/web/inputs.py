"""What a request brings, held to the model that describes it: the JSON of its body, and its query.

Who sends something else learns which field it was and what was expected, and never sees a value again:
bodies carry passwords.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_origin

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from streamer.web.problems import Problem

_JSON = "application/json"
_MAX_TOLD = 5
# An escaped NUL: behind any number of escaped backslashes, but not behind one that escapes its own.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Body(BaseModel):
    """What every body has in common: no field that is not known, and no text where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Query(BaseModel):
    """What every query has in common. Parameters that it does not know are let be, as `token`."""

    model_config = ConfigDict(frozen=True)


_Body = TypeVar("_Body", bound=Body)
_Query = TypeVar("_Query", bound=Query)


async def read_body(request: web.Request, model: type[_Body]) -> _Body:
    """The JSON of a request.

    Raises:
        Problem: 400, it is none, or not what the model says; 415, it is not said to be JSON.
        web.HTTPRequestEntityTooLarge: it is more than the application takes.
    """
    # A form of another site can send text, but not this type: it would be asked about first.
    if request.content_type != _JSON:
        raise Problem(
            415,
            "unsupported_media_type",
            f"expected Content-Type {_JSON}, this is {request.content_type}",
            {"Accept": _JSON},
        )
    text = await request.read()
    if _NUL.search(text):
        raise Problem(400, "bad_request", "expected text without NUL characters")
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise _problem(error) from None


def read_query(request: web.Request, model: type[_Query]) -> _Query:
    """The query of a request.

    Raises:
        Problem: 400, not what the model says.
    """
    found: dict[str, Any] = {}
    for attribute, field in model.model_fields.items():
        # "from" can be no attribute's name.
        name = field.alias or attribute
        values = request.query.getall(name, [])
        if any("\0" in value for value in values):
            raise Problem(400, "bad_request", f"{name}: expected text without NUL characters")
        if get_origin(field.annotation) in (tuple, list, set, frozenset):
            if values:
                found[name] = values
        elif len(values) > 1:
            raise Problem(400, "bad_request", f"{name}: expected one value")
        elif values:
            found[name] = values[0]
    try:
        return model.model_validate(found)
    except ValidationError as error:
        raise _problem(error) from None


def _problem(error: ValidationError) -> Problem:
    told = [_told(details) for details in error.errors(include_input=False, include_url=False)]
    more = len(told) - _MAX_TOLD
    return Problem(
        400, "bad_request", "; ".join(told[:_MAX_TOLD]) + (f"; and {more} more" if more > 0 else "")
    )


def _told(details: ErrorDetails) -> str:
    where = ".".join(str(part) for part in details["loc"])
    message = details["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    # Names of fields that are not known are the sender's own, and may be of any length.
    return f"{where[:100]}: {message}" if where else message
