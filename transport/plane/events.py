"""What a plane reports, led to whom it concerns: those who watch and those who publish share one plane."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeAlias

from transport.plane.interface import (
    AddressLearned,
    ConsentLost,
    DtlsReceived,
    Feed,
    KeyframeWanted,
    Peer,
    Plane,
)

_log = logging.getLogger(__name__)

PeerEvent: TypeAlias = DtlsReceived | AddressLearned | ConsentLost


class PlaneEvents:
    """Takes them out of the plane as they come. Event loop only.

    Args:
        plane: its `poll` is nobody else's.

    Attributes:
        on_keyframe: told of feeds that somebody cannot decode.
    """

    def __init__(self, plane: Plane) -> None:
        self.on_keyframe: list[Callable[[Feed], None]] = []
        self._plane = plane
        self._takers: dict[int, Callable[[PeerEvent], None]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(plane.fileno(), self._take_all)

    def follow(self, peer: Peer, take: Callable[[PeerEvent], None]) -> None:
        """Have somebody told of a peer's events, until `leave`."""
        self._takers[peer.id] = take

    def leave(self, peer: Peer) -> None:
        """Tell nobody any more of a peer. Idempotent."""
        self._takers.pop(peer.id, None)

    def close(self) -> None:
        """Take nothing any more; the plane may be closed then."""
        self._loop.remove_reader(self._plane.fileno())

    def _take_all(self) -> None:
        for event in self._plane.poll():
            try:
                self._take(event)
            except Exception:  # one peer's trouble must not keep the others' events from being taken
                _log.exception("an event of the media plane failed")

    def _take(self, event: PeerEvent | KeyframeWanted) -> None:
        if isinstance(event, KeyframeWanted):
            for told in self.on_keyframe:
                told(event.feed)
        elif (take := self._takers.get(event.peer.id)) is not None:
            take(event)
