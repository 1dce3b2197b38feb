"""How Twitch refuses: Helix with error, status and message, the login with status and message."""

from __future__ import annotations

from http import HTTPStatus

from ops.sandbox.face import Refusal


def helix_error(status: int, message: str) -> Refusal:
    """An error of the API."""
    body = {"error": HTTPStatus(status).phrase, "status": status, "message": message}
    return Refusal(status, body, message, _challenge(status))


def login_error(status: int, message: str) -> Refusal:
    """An error of the login."""
    return Refusal(status, {"status": status, "message": message}, message, _challenge(status))


def missing_scope(scope: str) -> Refusal:
    """The token is good, but not for this."""
    return helix_error(401, f"Missing scope: {scope}")


def fault_refusal(status: int, reason: str, message: str) -> Refusal:
    """An error that was asked for; its reason is its text."""
    return helix_error(status, message or reason)


def _challenge(status: int) -> dict[str, str]:
    return {"WWW-Authenticate": 'OAuth realm="TwitchTV"'} if status == 401 else {}
