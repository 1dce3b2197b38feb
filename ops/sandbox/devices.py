"""Device codes: the app shows a short code, the user types it in on another screen (RFC 8628)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ops.sandbox.clock import Clock
from ops.sandbox.oauth import Grant, Issue, Tokens
from ops.sandbox.parties import Account, Client
from ops.sandbox.proofs import OAuthProblem

# No vowels, so that no words come out, and nothing that looks like something else.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
# RFC 8628 section 3.5.
_SLOWER_S = 5.0


@dataclass(eq=False)
class Device:
    """One device that waits.

    Attributes:
        grant: set when the user said yes; granted: to which scopes.
        interval_s: how far apart polls must be; grows with each one that comes too early.
    """

    code: str = field(repr=False)
    user_code: str
    client: Client
    scopes: frozenset[str]
    expires_at: float
    interval_s: float
    grant: Grant | None = None
    granted: frozenset[str] = frozenset()
    denied: bool = False
    spent: bool = False
    polled_at: float | None = None


class Devices:
    """The device flow of one platform.

    Args:
        lifetime_s: how long a code can be used.
        interval_s: how often a device may ask.
    """

    def __init__(self, tokens: Tokens, clock: Clock, lifetime_s: float, interval_s: float) -> None:
        self._tokens = tokens
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self.lifetime_s = lifetime_s
        self.interval_s = interval_s

    def start(self, client: Client, scopes: frozenset[str]) -> Device:
        """Give out a pair of codes."""
        letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
        device = Device(
            code=secrets.token_urlsafe(40),
            user_code=f"{letters[:4]}-{letters[4:]}",
            client=client,
            scopes=scopes,
            expires_at=self._clock.now() + self.lifetime_s,
            interval_s=self.interval_s,
        )
        self._devices[device.code] = device
        return device

    def waiting(self, user_code: str) -> Device | None:
        """The device that shows this code, if it still waits for an answer."""
        wanted = user_code.upper().replace("-", "").replace(" ", "")
        for device in self._devices.values():
            if device.user_code.replace("-", "") == wanted and self._open(device):
                return device
        return None

    def approve(self, device: Device, account: Account, scopes: frozenset[str]) -> None:
        """The user said yes."""
        device.grant, device.granted = self._tokens.allow(device.client, account, scopes), scopes

    def poll(self, code: str, client: Client) -> Issue:
        """What the device gets.

        Raises:
            OAuthProblem: authorization_pending, slow_down, access_denied, expired_token, invalid_grant.
        """
        device = self._devices.get(code)
        if device is None or device.client.id != client.id or device.spent:
            raise OAuthProblem("invalid_grant", "malformed")
        now = self._clock.now()
        if now >= device.expires_at:
            raise OAuthProblem("expired_token", "expired")
        if device.denied:
            raise OAuthProblem("access_denied", "denied")
        if device.grant is None:
            self._hold_back(device, now)
            raise OAuthProblem("authorization_pending", "pending")
        device.spent = True
        return self._tokens.issue(device.grant, device.granted)

    def _hold_back(self, device: Device, now: float) -> None:
        early = device.polled_at is not None and now - device.polled_at < device.interval_s
        device.polled_at = now
        if early:
            device.interval_s += _SLOWER_S
            raise OAuthProblem("slow_down", "slow_down")

    def _open(self, device: Device) -> bool:
        decided = device.denied or device.grant is not None
        return not decided and self._clock.now() < device.expires_at
