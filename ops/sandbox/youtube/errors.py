"""How Google refuses: the bodies of the Data API, with the reasons its reference lists."""

from __future__ import annotations

from ops.sandbox.face import Refusal

_LIVE = "youtube.liveBroadcast"
STREAM = "youtube.liveStream"
_HELP = "https://developers.google.com/youtube/v3/live/docs/liveBroadcasts/transition#params"
# reason: status, domain, message, where to read more
_KNOWN: dict[str, tuple[int, str, str, str]] = {
    "errorStreamInactive": (403, _LIVE, "Stream is inactive", _HELP),
    "invalidTransition": (403, _LIVE, "Invalid transition", _HELP),
    "redundantTransition": (403, _LIVE, "Redundant transition", _HELP),
    "liveBroadcastBindingNotAllowed": (403, _LIVE, "Broadcast binding not allowed", ""),
    "liveBroadcastDeletionNotAllowed": (403, _LIVE, "Broadcast deletion not allowed", ""),
    "modificationNotAllowed": (403, _LIVE, "Modification not allowed", ""),
    "liveStreamingNotEnabled": (
        403,
        _LIVE,
        "The user is not enabled for live streaming.",
        "https://www.youtube.com/features",
    ),
    "livePermissionBlocked": (
        403,
        _LIVE,
        "The user is blocked from live streaming.",
        "https://www.youtube.com/features",
    ),
    "insufficientLivePermissions": (403, _LIVE, "Insufficient permissions for live streaming", ""),
    "liveBroadcastNotFound": (404, _LIVE, "Broadcast not found", ""),
    "titleRequired": (400, _LIVE, "Title is required", ""),
    "invalidTitle": (400, _LIVE, "Title is invalid", ""),
    "invalidDescription": (400, _LIVE, "Description is invalid", ""),
    "scheduledStartTimeRequired": (400, _LIVE, "Scheduled start time is required", ""),
    "invalidScheduledStartTime": (400, _LIVE, "Invalid scheduled start time", ""),
    "invalidScheduledEndTime": (400, _LIVE, "Invalid scheduled end time", ""),
    "privacyStatusRequired": (400, _LIVE, "Privacy status is required", ""),
    "invalidPrivacyStatus": (400, _LIVE, "Privacy status is invalid", ""),
    "invalidLatencyPreferenceOptions": (400, _LIVE, "Invalid latency preference", ""),
    "liveStreamNotFound": (404, STREAM, "Stream not found", ""),
    "liveStreamDeletionNotAllowed": (403, STREAM, "Stream deletion not allowed", ""),
    "cdnRequired": (400, STREAM, "The cdn object is required", ""),
    "ingestionTypeRequired": (400, STREAM, "Ingestion type is required", ""),
    "invalidIngestionType": (400, STREAM, "Invalid ingestion type", ""),
    "resolutionRequired": (400, STREAM, "Resolution is required", ""),
    "invalidResolution": (400, STREAM, "Invalid resolution", ""),
    "frameRateRequired": (400, STREAM, "Frame rate is required", ""),
    "invalidFrameRate": (400, STREAM, "Invalid frame rate", ""),
    "videoNotFound": (
        404,
        "youtube.thumbnail",
        "The video that you are trying to set a thumbnail for cannot be found.",
        "",
    ),
    "invalidImage": (400, "youtube.thumbnail", "The provided image content is invalid.", ""),
    "mediaBodyRequired": (400, "youtube.thumbnail", "The request does not include the image content.", ""),
    "quotaExceeded": (
        403,
        "youtube.quota",
        "The request cannot be completed because you have exceeded your "
        '<a href="/youtube/v3/getting-started#quota">quota</a>.',
        "",
    ),
    "rateLimitExceeded": (403, "usageLimits", "Rate Limit Exceeded", ""),
    "userRequestsExceedRateLimit": (403, _LIVE, "User requests exceed the rate limit.", ""),
    "backendError": (500, "global", "Backend Error", ""),
    "errorExecutingTransition": (500, _LIVE, "An error occurred while changing the broadcast's status.", ""),
    "internalError": (500, "global", "Internal error encountered.", ""),
}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def refused(reason: str, message: str = "", status: int | None = None, domain: str = "") -> Refusal:
    """The error of this reason; one that is not listed comes from the global domain."""
    known_status, usual, text, more = _KNOWN.get(reason, (400, "global", reason, ""))
    entry = {"extendedHelp": more} if more else {}
    return _body(status or known_status, domain or usual, reason, message or text, entry)


def bad_value(name: str, value: str) -> Refusal:
    """A value that an enumeration does not have; it is seen before the live part of the API is asked."""
    refusal = _body(400, "", "invalid", f"Invalid value at '{name}' (TYPE_ENUM), \"{value}\"", {})
    del refusal.body["error"]["errors"][0]["domain"]
    return refusal


def bad_parameter(reason: str, name: str, message: str, domain: str = "youtube.parameter") -> Refusal:
    """A parameter that is missing or cannot be used."""
    return _body(400, domain, reason, message, {"location": name, "locationType": "parameter"})


def no_credentials(*, sent: bool) -> Refusal:
    """No token, or one that does not count."""
    if not sent:
        message = "Login Required."
        entry = {"location": "Authorization", "locationType": "header"}
        return _body(401, "global", "required", message, entry, {"WWW-Authenticate": "Bearer"})
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    entry = {"location": "Authorization", "locationType": "header"}
    headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
    return _body(401, "global", "authError", message, entry, headers)


def missing_scope(wanted: tuple[str, ...]) -> Refusal:
    """The token is good, but not for this."""
    scopes = " ".join(wanted)
    headers = {
        "WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="insufficient_scope", '
        f'scope="{scopes}"'
    }
    message = "Request had insufficient authentication scopes."
    refusal = _body(403, "global", "insufficientPermissions", message, {}, headers)
    refusal.body["error"]["details"] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": {"service": "youtube.googleapis.com"},
        }
    ]
    return refusal


def _body(
    status: int,
    domain: str,
    reason: str,
    message: str,
    more: dict[str, str],
    headers: dict[str, str] | None = None,
) -> Refusal:
    entry = {"message": message, "domain": domain, "reason": reason, **more}
    error: dict[str, object] = {"code": status, "message": message, "errors": [entry]}
    # The live errors come from an older part of Google's house, which names no canonical status.
    if not domain.startswith("youtube.") and status in _STATUS:
        error["status"] = _STATUS[status]
    return Refusal(status, {"error": error}, reason, headers)
