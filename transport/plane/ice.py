"""ICE-lite: which STUN checks are answered, and what an answered one proves (RFC 8445, RFC 7675).

Sans-IO: a datagram in, a `Verdict` out. Addresses are trusted only after a check that was signed with the
peer's password, so a verdict without `owner` changes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from transport.errors import WireError
from transport.plane import stun

#: How long a peer's former credentials stay good after an ICE restart.
_FORMER_CREDENTIALS_S = 30.0

Owner = TypeVar("Owner", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Verdict(Generic[Owner]):
    """What to do about one STUN datagram.

    Attributes:
        reply: to be sent back the same way, or None.
        owner: whose valid check it was, None if it proves nothing.
        nominated: the viewer wants to be sent to where this came from.
    """

    reply: bytes | None = None
    owner: Owner | None = None
    nominated: bool = False


@dataclass(slots=True)
class _Credentials(Generic[Owner]):
    password: str
    owner: Owner
    expires_at: float | None = None


class IceLite(Generic[Owner]):
    """Every local credential of a plane, by user name fragment."""

    def __init__(self) -> None:
        self._by_ufrag: dict[str, _Credentials[Owner]] = {}
        self._ufrags: dict[Owner, list[str]] = {}

    def __len__(self) -> int:
        return len(self._by_ufrag)

    def add(self, ufrag: str, password: str, owner: Owner, now: float) -> None:
        """Accept checks under these credentials; the owner's former ones expire soon.

        Raises:
            ValueError: the fragment belongs to somebody else.
        """
        known = self._by_ufrag.get(ufrag)
        if known is not None and known.owner != owner:
            raise ValueError("this ufrag is in use")
        former = [name for name in self._ufrags.get(owner, ()) if name != ufrag and name in self._by_ufrag]
        for name in former[:-1]:  # restarted twice within the time: two generations are enough
            del self._by_ufrag[name]
        for name in former[-1:]:
            self._by_ufrag[name].expires_at = now + _FORMER_CREDENTIALS_S
        self._by_ufrag[ufrag] = _Credentials(password, owner)
        self._ufrags[owner] = [*former[-1:], ufrag]

    def remove(self, owner: Owner) -> None:
        """Forget everything of this owner."""
        for ufrag in self._ufrags.pop(owner, ()):
            self._by_ufrag.pop(ufrag, None)

    def check(self, datagram: bytes, address: stun.Address, now: float) -> Verdict[Owner]:
        """Judge one datagram.

        Args:
            datagram: as received.
            address: where it came from, as the answer will tell.
            now: seconds, monotonic.

        Raises:
            WireError: not a STUN message.
        """
        message = stun.parse(datagram)
        if message.message_type != stun.BINDING_REQUEST:
            return Verdict()  # a lite agent sends no checks, so nobody has anything to answer it
        username = message.username
        if (
            not message.has_fingerprint
            or username is None
            or stun.MESSAGE_INTEGRITY not in message.attributes
        ):
            return Verdict(stun.binding_error(message, 400))
        credentials = self._find(username.partition(":")[0], now)
        if credentials is None:
            raise WireError("stun: an unknown ufrag")
        if not message.is_signed_with(credentials.password):
            return Verdict(stun.binding_error(message, 401))
        if stun.ICE_CONTROLLED in message.attributes:
            # A lite agent is always controlled; the other side has to switch (RFC 8445 7.3.1.1).
            return Verdict(stun.binding_error(message, 487, credentials.password))
        # PRIORITY and ICE-CONTROLLING are not asked for: ffmpeg's WHIP client leaves them out.
        reply = stun.binding_success(message, address, credentials.password)
        return Verdict(reply, credentials.owner, message.use_candidate)

    def _find(self, ufrag: str, now: float) -> _Credentials[Owner] | None:
        found = self._by_ufrag.get(ufrag)
        if found is not None and found.expires_at is not None and now >= found.expires_at:
            del self._by_ufrag[ufrag]
            return None
        return found
