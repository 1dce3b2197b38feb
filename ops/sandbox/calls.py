"""The log of what was asked of the faces: for tests that count calls, and operators who wonder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_KEPT = 5000
_SECRET = frozenset(
    {
        "access_token",
        "appsecret_proof",
        "client_secret",
        "code",
        "code_verifier",
        "device_code",
        "fb_exchange_token",
        "input_token",
        "refresh_token",
        "token",
    }
)


@dataclass
class Call:
    """One request and its answer.

    Attributes:
        at: by the sandbox's clock.
        operation: the platform's name for it, `liveBroadcasts.insert`; "" if it never got so far.
        asked: parameters of query and form; secrets are left out.
        reason: the platform's word for the failure.
        units: of Google's quota.
        fault: what was done to it on request.
    """

    at: float
    platform: str
    method: str
    path: str
    operation: str = ""
    asked: dict[str, str] = field(default_factory=dict)
    body: Any = None
    status: int = 0
    reason: str = ""
    units: int = 0
    client_id: str = ""
    account_id: str = ""
    fault: str = ""


class Calls:
    """The latest calls, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[Call] = deque(maxlen=_KEPT)

    def add(self, call: Call) -> None:
        """Remember one."""
        self._kept.append(call)

    def clear(self) -> None:
        """Forget them all."""
        self._kept.clear()

    def matching(self, platform: str = "", operation: str = "") -> list[Call]:
        """Those of a platform, of an operation, or all."""
        return [
            call
            for call in self._kept
            if (not platform or call.platform == platform) and (not operation or call.operation == operation)
        ]

    def to_json(self, platform: str = "", operation: str = "") -> list[dict[str, Any]]:
        """The same for the control face."""
        return [asdict(call) for call in self.matching(platform, operation)]


def without_secrets(items: Iterable[tuple[str, object]] | Mapping[str, object]) -> dict[str, str]:
    """Parameters as they may be shown."""
    pairs = items.items() if isinstance(items, Mapping) else items
    return {name: "…" if name in _SECRET else str(value) for name, value in pairs}
