"""How the Graph API refuses: a type, a code, often a subcode, and a trace id."""

from __future__ import annotations

import secrets

from ops.sandbox.face import Refusal

_OAUTH = "OAuthException"
# why a token does not count: subcode and text
_TOKEN = {
    "expired": (463, "Error validating access token: Session has expired."),
    "revoked": (458, "Error validating access token: The user has not authorized application {app}."),
    "removed": (458, "Error validating access token: The user has not authorized application {app}."),
    "replayed": (460, "Error validating access token: The session has been invalidated."),
}
_THROTTLED = {
    4: "(#4) Application request limit reached",
    17: "(#17) User request limit reached",
    32: "(#32) Page request limit reached",
    341: "(#341) Feed action request limit reached",
    368: "The action attempted has been deemed abusive or is otherwise disallowed",
}
_TEXTS = {
    1: "An unknown error has occurred.",
    2: "Service temporarily unavailable",
    10: "(#10) Application does not have permission for this action",
    102: "Session key invalid or no longer valid",
    190: "Invalid OAuth access token.",
    **_THROTTLED,
}


def graph_error(
    code: int, message: str, *, subcode: int = 0, kind: str = _OAUTH, status: int = 400
) -> Refusal:
    """Any error of the Graph API."""
    error: dict[str, object] = {"message": message, "type": kind, "code": code}
    if subcode:
        error["error_subcode"] = subcode
    error["fbtrace_id"] = "A" + secrets.token_urlsafe(16)
    if code in {1, 2, *_THROTTLED} and code != 368:
        error["is_transient"] = code in {1, 2}
    headers = {}
    if code in {102, 190}:
        headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{message}"'
    return Refusal(status, {"error": error}, f"{code}/{subcode}" if subcode else str(code), headers)


def bad_token(why: str, app: str) -> Refusal:
    """A token that counts no more, or never did."""
    subcode, text = _TOKEN.get(why, (0, "Invalid OAuth access token - Cannot parse access token"))
    return graph_error(190, text.format(app=app), subcode=subcode)


def no_token() -> Refusal:
    """No token at all."""
    return graph_error(
        2500, "An active access token must be used to query information about the current user."
    )


def bad_parameter(message: str, subcode: int = 0) -> Refusal:
    """A parameter that is missing or cannot be used."""
    return graph_error(100, f"(#100) {message}", subcode=subcode)


def no_such_object(object_id: str, verb: str = "get") -> Refusal:
    """Nothing of this id that the token may see."""
    text = (
        f"Unsupported {verb} request. Object with ID '{object_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation."
    )
    return graph_error(100, text, subcode=33, kind="GraphMethodException")


def missing_permission(*permissions: str) -> Refusal:
    """The token is good, but not for this."""
    return graph_error(200, f"(#200) Requires {' and '.join(permissions)} permission", status=403)


def fault_refusal(status: int, reason: str, message: str) -> Refusal:
    """An error that was asked for: `reason` is a code, or code/subcode."""
    code, _, subcode = (reason or ("2" if status >= 500 else "1")).partition("/")
    if not code.isdigit() or (subcode and not subcode.isdigit()):
        return graph_error(1, message or _TEXTS[1], status=status)
    text = message or _TEXTS.get(int(code), f"(#{code}) Error")
    return graph_error(int(code), text, subcode=int(subcode or 0), status=status)
