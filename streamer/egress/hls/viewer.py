"""Somebody who watches over HTTP: known by the key in what he asks for, gone when he asks no more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from streamer.egress.hls.output import HlsOutput
from streamer.hub.stream import Stream


class HlsViewer:
    """One viewer. Event loop only.

    Attributes:
        id: for the log and the API.
        key: in the addresses of what he gets; whoever knows it may get it.
        output: where it comes from.
        address: of whoever asked, without port.
        user_agent: what he says he is.
        early: his player can begin with what there is, be it parts alone.
        user: who he is by what he presented; "" for nobody known.
        signalling: how it travels, for people.
        since: seconds since 1970.
        heard_at: when he last asked for something; monotonic seconds.
        bytes_sent: of playlists and media.
        plays: he has asked for media, and not for the first playlist alone.
    """

    def __init__(
        self,
        output: HlsOutput,
        *,
        address: str,
        user_agent: str,
        signalling: str,
        early: bool = True,
        key: str = "",
    ) -> None:
        self.id = secrets.token_hex(6)
        self.key = key or secrets.token_urlsafe(24)
        self.output = output
        self.address = address
        self.user_agent = user_agent
        self.signalling = signalling
        self.early = early
        self.user = ""
        self.since = time.time()
        self.heard_at = time.monotonic()
        self.bytes_sent = 0
        self.plays = False
        self._is_over = False
        self._when_ended: Callable[[], None] | None = None

    @property
    def stream(self) -> Stream:
        """What he watches."""
        return self.output.stream

    @property
    def begins_anew(self) -> bool:
        """Whether his player, VLC, begins anew after a discontinuity, and fetches no header for it."""
        return "VLC/" in self.user_agent

    def sent(self, size: int) -> None:
        """He asked, and gets so many bytes."""
        self.heard_at = time.monotonic()
        self.bytes_sent += size

    def end(self) -> None:
        """He is not here any more. Idempotent."""
        if not self._is_over:
            self._is_over = True
            if self._when_ended is not None:
                self._when_ended()

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have somebody told that it ended, once; at once when it has."""
        if self._is_over:
            tell()
        else:
            self._when_ended = tell
