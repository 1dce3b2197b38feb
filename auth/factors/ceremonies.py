"""The two halves of a passkey ceremony, as data; `auth.factors.passkeys` does them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from webauthn.helpers.structs import AuthenticatorTransport

from auth.errors import BadCredentials

_MAX_ANSWER_CHARACTERS = 65_536
NOT_ACCEPTED = "this passkey was not accepted"


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey as it is listed; times in seconds since 1970.

    Attributes:
        id: the authenticator's credential id, base64url.
    """

    id: str
    principal_id: str
    label: str
    created_at: float
    used_at: float | None


@dataclass(frozen=True, slots=True)
class Site:
    """What browsers bind passkeys to.

    Attributes:
        rp_id: the host name, or a domain above it; passkeys are lost when it changes.
        origins: where pages come from, as `https://live.example`, `http://localhost:8080`.
        name: what the browser calls this server.
    """

    rp_id: str
    origins: tuple[str, ...]
    name: str = "Streamer"


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The first half.

    Attributes:
        ticket: to be brought with the answer.
        options: JSON for `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    """

    ticket: str
    options: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey that was shown.

    Attributes:
        verified: whether the authenticator made sure who is there, so that this counts as two factors.
    """

    principal_id: str
    verified: bool


def parse_answer(answer: str) -> dict[str, Any]:
    """A browser's credential, as far as it must be looked at before it is verified.

    Raises:
        BadCredentials: it is not a JSON object, or far too long for one of these.
    """
    if len(answer) > _MAX_ANSWER_CHARACTERS:
        raise BadCredentials(NOT_ACCEPTED)
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        raise BadCredentials(NOT_ACCEPTED) from None
    if not isinstance(parsed, dict):
        raise BadCredentials(NOT_ACCEPTED)
    return parsed


def transports_in(answer: str) -> str:
    """How the browser says the authenticator is reached, those names that are known."""
    response = parse_answer(answer).get("response")
    named = response.get("transports") if isinstance(response, dict) else None
    known = {transport.value for transport in AuthenticatorTransport}
    return " ".join(sorted(known & {str(name) for name in named or ()}))
