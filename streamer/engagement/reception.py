"""Makes an arrival of who was let in: what he is called today, and the little that is kept of what he shows.

Two sessions at the same time from one address and browser are taken for two viewers, as behind a company's or
a provider's address: the second gets a pseudonym of its own, which who comes back in its place gets again.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from streamer.engagement.agents import recognise
from streamer.engagement.audience import Audience
from streamer.engagement.places import Places
from streamer.engagement.privacy import Salts, pseudonym, truncated, wants_no_tracking
from streamer.engagement.session import Arrival


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who was let in, as he shows himself.

    Attributes:
        session: names his session.
        peer: of the media plane.
        asked_at: seconds since 1970.
        headers: of his request.
        account: id of the account he is logged in with, or that his token rests on; "" for none.
        logged_in: whether he came with the account himself.
    """

    session: str
    peer: int
    stream: str
    protocol: str
    asked_at: float
    address: str
    headers: Mapping[str, str]
    account: str = ""
    logged_in: bool = False


class Reception:
    """Where visitors become part of the audience; `left` is called for everybody who goes. Event loop only.

    Args:
        audience: where they go.
        salts: today's names are made with them.
        places: where addresses are.
    """

    def __init__(self, audience: Audience, salts: Salts, places: Places) -> None:
        self._audience = audience
        self._salts = salts
        self._places = places
        self._seats: dict[tuple[str, str], _Seats] = {}
        self._seated: dict[str, tuple[tuple[str, str], int]] = {}

    def arrive(self, visitor: Visitor) -> None:
        """Take somebody in."""
        self._audience.arrive(self._arrival(visitor), visitor.peer)

    def left(self, session: str) -> None:
        """A session has ended; somebody else may have its name."""
        seated = self._seated.pop(session, None)
        if seated is None:
            return
        known, rank = seated
        seats = self._seats[known]
        seats.give_back(rank)
        if seats.are_empty:
            del self._seats[known]

    def _arrival(self, visitor: Visitor) -> Arrival:
        plain = Arrival(visitor.session, visitor.stream, visitor.asked_at, visitor.protocol)
        salt = self._salts.of(visitor.asked_at)
        if wants_no_tracking(visitor.headers) or not salt:
            return plain
        agent_text = visitor.headers.get("User-Agent", "")[:500]
        agent = recognise(agent_text)
        country, region = self._places.of(visitor.address)
        return Arrival(
            visitor.session,
            visitor.stream,
            visitor.asked_at,
            visitor.protocol,
            viewer=self._name(visitor, salt, agent_text),
            account=visitor.account,
            network=truncated(visitor.address),
            device=agent.device,
            browser=agent.browser,
            country=country,
            region=region,
        )

    def _name(self, visitor: Visitor, salt: bytes, agent: str) -> str:
        if visitor.logged_in:
            return pseudonym(salt, "account", visitor.account)
        base = pseudonym(salt, visitor.address, agent)
        known = (visitor.stream, base)
        rank = self._seats.setdefault(known, _Seats()).take()
        self._seated[visitor.session] = (known, rank)
        return pseudonym(salt, base, str(rank)) if rank else base


class _Seats:
    """Numbers from 0, the lowest that is free for each that comes."""

    def __init__(self) -> None:
        self._used = 0
        self._free: list[int] = []

    @property
    def are_empty(self) -> bool:
        return len(self._free) == self._used

    def take(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._used += 1
        return self._used - 1

    def give_back(self, number: int) -> None:
        heapq.heappush(self._free, number)
