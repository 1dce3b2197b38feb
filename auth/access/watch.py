"""Ends what is not permitted any more, within a second: sessions whose permit expires or is withdrawn.

Everything that goes on by leave of a permit is registered with a way to end it. There is no timer for each:
one beat a few times a second looks at a heap of ends, and, when the authority knows something new, asks
about every permit again. Permits that rest on the same (`Permit.standing`) are asked about once, and tokens
by what was revoked, so that ten thousand viewers take a few milliseconds; ten thousand accounts take longer,
and are looked at in slices.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from auth.access.authority import EXPIRED, REVOKED, Authority
from auth.access.permit import Basis, Permit, digest_of_key, earlier
from auth.access.snapshot import Snapshot
from auth.turns import Slice

_log = logging.getLogger(__name__)

BEAT_S = 0.2
#: Entries of the heap that may be left behind beyond as many again as there are registrations.
_TIDY = 1000


@dataclass(eq=False, slots=True)
class Registration:
    """Something that goes on by leave of a permit.

    Attributes:
        end: called once, with the reason, when the leave ends; from `PermitWatch.tick`.
        expires_at: as far as is known now; a grant may be prolonged or shortened.
    """

    permit: Permit
    end: Callable[[str], None]
    expires_at: float | None
    group: _Group
    open: bool = True


@dataclass(eq=False, slots=True)
class _Group:
    """Registrations that rest on the same, but for single tokens.

    Attributes:
        until: when what they have in common ends.
        oldest_issued_at: of the tokens that were ever in it.
        stale: whether a permit came to it that was decided by another snapshot than the rest, or ends
            otherwise than `until` tells.
    """

    key: tuple[object, ...]
    members: set[Registration] = field(default_factory=set)
    until: float | None = None
    oldest_issued_at: float = float("inf")
    stale: bool = False


class PermitWatch:
    """Registrations, and the beat that ends them. `add` and `remove` from any thread.

    Args:
        authority: who decided on the permits.
    """

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._lock = threading.Lock()
        self._groups: dict[tuple[object, ...], _Group] = {}
        self._by_token: dict[str, set[Registration]] = {}
        self._heap: list[tuple[float, int, Registration]] = []
        self._numbers = itertools.count()
        self._count = 0
        self._seen = authority.version

    def __len__(self) -> int:
        return self._count

    def add(self, permit: Permit, end: Callable[[str], None]) -> Registration:
        """Have something ended when its permit is not good any more.

        Args:
            permit: as the authority gave it.
            end: takes the reason; called at most once, by the one who calls `tick`. It must not block.
        """
        with self._lock:
            key = permit.standing
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(key)
            until = earlier(permit.expires_at, group.until)
            registration = Registration(permit, end, until, group)
            group.members.add(registration)
            if permit.token_id:
                self._by_token.setdefault(permit.token_id, set()).add(registration)
                group.oldest_issued_at = min(group.oldest_issued_at, permit.issued_at)
            self._push(registration)
            self._count += 1
            if until != earlier(permit.credential_expires_at, group.until):
                # It ends with a grant. Else one that ends no more would look like one that never did.
                group.stale = True
            if permit.version != self._seen:
                # Decided by other knowledge than the last look was by: look again at the next beat.
                group.stale = True
                self._seen = -1
        return registration

    def remove(self, registration: Registration) -> None:
        """What was registered ended by itself; again is no error."""
        with self._lock:
            self._drop(registration)

    def stream_changed(self, stream: str, *, public: bool, publish_key: str | None) -> int:
        """The configuration says something new about a stream, or took it away (not public, without key).

        Ends who watches because it was public, and who publishes with a key that is not its key now.

        Returns:
            How many that were.
        """
        digest = digest_of_key(publish_key) if publish_key else ""
        ended: _Ended = {}
        with self._lock:
            for group in self._groups.values():
                for registration in group.members:
                    permit = registration.permit
                    # What rests on the same is of the same stream.
                    if permit.stream != stream:
                        break
                    if permit.basis is Basis.PUBLIC and not public:
                        ended[registration] = "the stream is not public any more"
                    elif permit.basis is Basis.KEY and permit.key_digest != digest:
                        ended[registration] = "the publish key was changed"
            self._drop_all(ended)
        return sum(_end(ended))

    def end_token(self, token_id: str, why: str) -> int:
        """End everything that a token opened; how much that was."""
        with self._lock:
            ended = dict.fromkeys(self._by_token.get(token_id, ()), why)
            self._drop_all(ended)
        return sum(_end(ended))

    def tick(self, now: float) -> int:
        """End what is over by now; how much that was.

        Args:
            now: seconds since 1970, of the authority's clock.
        """
        return sum(self.look(now))

    def look(self, now: float) -> Iterator[int]:
        """As `tick`, in slices of a few milliseconds: how much each of them ended."""
        version = self._authority.version
        if version != self._seen:
            with self._lock:
                self._seen = version
                left = list(self._groups.values())
            # First, as it moves the ends of what rests on a grant that was prolonged or shortened.
            yield from _end(self._revoked())
            while left:
                yield from _end(self._withdrawn(left, now))
        with self._lock:
            ended = self._expired(now)
            if len(self._heap) > 2 * self._count + _TIDY:
                self._heap = [entry for entry in self._heap if _is_current(entry)]
                heapq.heapify(self._heap)
        yield from _end(ended)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            for _ in self.look(self._authority.clock()):
                await asyncio.sleep(0)
            await asyncio.sleep(BEAT_S)

    def _expired(self, now: float) -> _Ended:
        ended: _Ended = {}
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            registration = entry[2]
            if _is_current(entry):
                ended[registration] = EXPIRED
                self._drop(registration)
        return ended

    def _revoked(self) -> _Ended:
        snapshot = self._authority.known
        ended: _Ended = {}
        if snapshot is None:
            return ended
        with self._lock:
            for token_id in snapshot.revoked & self._by_token.keys():
                ended |= dict.fromkeys(self._by_token[token_id], REVOKED)
            self._drop_all(ended)
        return ended

    def _withdrawn(self, left: list[_Group], now: float) -> _Ended:
        """Look at groups again, as many as fit into a slice; those that are left stay in the list."""
        snapshot = self._authority.known
        ended: _Ended = {}
        turn = Slice()
        with self._lock:
            while left and not turn.is_over:
                group = left.pop()
                if group.members and snapshot is not None:
                    ended |= self._withdrawn_of(group, snapshot, now)
            self._drop_all(ended)
        return ended

    def _withdrawn_of(self, group: _Group, snapshot: Snapshot, now: float) -> _Ended:
        sample = next(iter(group.members)).permit
        why, until = self._authority.standing(sample, now)
        if why:
            return dict.fromkeys(group.members, why)
        ended: _Ended = {}
        cutoff = snapshot.issued_until(sample.token_subject)
        if sample.token_id and group.oldest_issued_at <= cutoff:
            issued_until = (member for member in group.members if member.permit.issued_at <= cutoff)
            ended = dict.fromkeys(issued_until, REVOKED)
        if until != group.until or group.stale:
            group.until = until
            group.stale = False
            for registration in group.members:
                self._move(registration, earlier(registration.permit.credential_expires_at, until))
        return ended

    def _move(self, registration: Registration, expires_at: float | None) -> None:
        if registration.expires_at != expires_at:
            registration.expires_at = expires_at
            self._push(registration)

    def _push(self, registration: Registration) -> None:
        if registration.expires_at is not None:
            heapq.heappush(self._heap, (registration.expires_at, next(self._numbers), registration))

    def _drop_all(self, ended: Iterable[Registration]) -> None:
        for registration in ended:
            self._drop(registration)

    def _drop(self, registration: Registration) -> None:
        if not registration.open:
            return
        registration.open = False
        self._count -= 1
        permit = registration.permit
        registration.group.members.discard(registration)
        if not registration.group.members:
            self._groups.pop(registration.group.key, None)
        if permit.token_id:
            of_token = self._by_token[permit.token_id]
            of_token.discard(registration)
            if not of_token:
                del self._by_token[permit.token_id]


#: What to end, and why.
_Ended: TypeAlias = dict[Registration, str]


def _is_current(entry: tuple[float, int, Registration]) -> bool:
    """Others of the heap are left behind by `remove`, and by a change of the end."""
    return entry[2].open and entry[2].expires_at == entry[0]


def _end(ended: _Ended) -> Iterator[int]:
    """Without the lock: ending a session may remove what else it registered. In slices, how many in each."""
    turn, count = Slice(), 0
    for registration, why in ended.items():
        try:
            registration.end(why)
        # One session that cannot be ended must not keep the others going.
        except Exception:
            _log.exception("a session could not be ended: %s", why)
        count += 1
        if turn.is_over:
            yield count
            turn, count = Slice(), 0
    yield count
