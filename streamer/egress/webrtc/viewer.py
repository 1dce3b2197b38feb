"""One viewer: what was agreed with it, what it is being sent, how it fares."""

from __future__ import annotations

import asyncio
import enum
import secrets
import time
from collections.abc import Callable

import numpy as np

from streamer.egress.webrtc.outputs import Output, Outputs
from streamer.errors import Unplayable
from streamer.hub.stream import Stream
from transport.media import Codec
from transport.plane.interface import COUNTERS, Peer, Subscription
from transport.webrtc.dtls import DtlsSession, SrtpKeys
from transport.webrtc.negotiate import Negotiated

# Who goes back to the full picture waits for its next keyframe, which nobody may be able to ask for.
_LONGEST_GOP_S = 12.0


class ViewerState(enum.StrEnum):
    """Where a viewer is in its life."""

    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class Viewer:
    """One viewer. Event loop only.

    Attributes:
        id: for the log and the API.
        key: names the WHEP session; whoever knows it may end or move the session.
        rung: of its stream's ladder, 0 for the full picture; see `hub/ladder.py`.
        counters: its row of the plane's last snapshot, dtype `COUNTERS`.
        cipher: SRTP protection profile, "" until agreed.
        signalling: how its offer and our answer travelled, for people.

    Raises:
        Unplayable: nothing that the stream has fits what was negotiated.
    """

    def __init__(
        self,
        stream: Stream,
        outputs: Outputs,
        peer: Peer,
        negotiated: Negotiated,
        user_agent: str,
        signalling: str = "",
    ) -> None:
        self.id = secrets.token_hex(6)
        self.key = secrets.token_urlsafe(24)
        self.stream = stream
        self.peer = peer
        self.negotiated = negotiated
        self.user_agent = user_agent
        self.signalling = signalling
        self.since = time.time()
        self.state = ViewerState.CONNECTING
        self.cipher = ""
        self.rung = 0
        self.remote_ufrag = negotiated.remote_ufrag
        self.counters: np.void = np.zeros(1, COUNTERS)[0]
        self.dtls: DtlsSession
        self._outputs = outputs
        self._taken: dict[bool, Output] = {}
        self._left: Output | None = None  # a picture that is sent until the next one's keyframe
        self._awaited: Output | None = None  # the publisher's, while a smaller one is sent
        self._forgetting: asyncio.TimerHandle | None = None
        self._when_ended: Callable[[], None] | None = None
        self._etag = secrets.token_hex(8)
        try:
            if not self.choose():
                raise Unplayable("the stream changed at this moment to what was not agreed on; ask again")
        except BaseException:
            self.end()
            raise

    @property
    def answer(self) -> str:
        """The SDP answer."""
        return self.negotiated.answer

    @property
    def etag(self) -> str:
        """Names the ICE session, quoted as HTTP wants it."""
        return f'"{self._etag}"'

    @property
    def video_codec(self) -> str:
        """What its picture is coded in, "" without."""
        return self.negotiated.video_codec or ""

    @property
    def video_source(self) -> str:
        """Whether it gets the publisher's own picture ("source") or one the server makes ("rendition")."""
        output = self._taken.get(True)
        return str(output) if output is not None else ""

    @property
    def has_ladder(self) -> bool:
        """Whether its picture can be had smaller."""
        codec = self.negotiated.video_codec
        return codec is not None and self._outputs.has_ladder(codec)

    @property
    def audio_codec(self) -> str:
        """What its sound is coded in, "" without."""
        return "opus" if self.negotiated.audio is not None else ""

    def choose(self) -> bool:
        """Take the outputs that fit the stream as it is now, moving what is being sent already.

        Returns:
            False when nothing fits what was negotiated: the viewer has to join anew.
        """
        if self.state is ViewerState.ENDED:
            return True
        codec = self.negotiated.video_codec
        if self.negotiated.video is not None and codec is not None:
            picture = self._outputs.picture_for(codec, self.rung)
            if picture is None:
                return False
            self._switch(picture, self.negotiated.video)
        if self.negotiated.audio is not None:
            self._switch(self._outputs.sound(), self.negotiated.audio)
        return True

    def move(self, rung: int) -> None:
        """Send another rung of the ladder, from its next keyframe on.

        Until then on the way up what is sent now, and on the way down nothing: the line is full already.
        Only for one that has a ladder.
        """
        is_down, self.rung = rung > self.rung, rung
        codec, video = self.negotiated.video_codec, self.negotiated.video
        assert codec is not None and video is not None
        picture = self._outputs.picture_for(codec, rung)
        if picture is None:  # the stream has just changed; `choose` comes
            return
        self._forget()
        left = self._taken.get(True)
        if left is not None and not is_down:
            self._outputs.take(left)
            self._left = left
            self._forgetting = asyncio.get_running_loop().call_later(_LONGEST_GOP_S, self._forget)
        awaited = self._source_awaited(codec)
        try:
            self._switch(picture, video, meanwhile=not is_down)
        except BaseException:
            if awaited is not None:
                self._outputs.give_back(awaited)
            raise
        before, self._awaited = self._awaited, awaited
        if before is not None:
            self._outputs.give_back(before)
        self._outputs.request_keyframe(picture)

    def start(self, keys: SrtpKeys) -> None:
        """The handshake is done: send."""
        self.cipher = keys.profile.value
        self.peer.set_keys(keys.profile, keys.tx, keys.rx)
        self.state = ViewerState.LIVE
        for output in self._taken.values():
            self._subscribe(output)

    def restarted(self, remote_ufrag: str) -> None:
        """ICE was restarted: another ETag, the viewer's other name."""
        self.remote_ufrag = remote_ufrag
        self._etag = secrets.token_hex(8)

    def end(self) -> None:
        """Give everything back. Idempotent."""
        if self.state is not ViewerState.ENDED:
            self.state = ViewerState.ENDED
            for output in self._taken.values():
                self._outputs.give_back(output)
            self._taken.clear()
            self._forget()
            if self._awaited is not None:
                self._outputs.give_back(self._awaited)
            if self._when_ended is not None:
                self._when_ended()

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have somebody told that it ended, once; at once when it has."""
        if self.state is ViewerState.ENDED:
            tell()
        else:
            self._when_ended = tell

    def _switch(self, wanted: Output, subscription: Subscription, *, meanwhile: bool = True) -> None:
        present = self._taken.get(wanted.codec.is_video)
        if present == wanted:
            return
        self._outputs.take(wanted)
        self._taken[wanted.codec.is_video] = wanted
        if self.state is ViewerState.LIVE:
            self.peer.subscribe(self._outputs.feed(wanted), subscription, meanwhile=meanwhile)
        # Only now: the plane moves a subscription from a feed that still exists.
        if present is not None:
            self._outputs.give_back(present)

    def _source_awaited(self, codec: Codec) -> Output | None:
        """The publisher's picture, taken, while a smaller one is sent.

        A feed that is made anew begins with all of the present GOP, which would be sent at once: too much for
        a line that was too narrow a moment ago.
        """
        full = self._outputs.picture_for(codec) if self.rung else None
        if full is None or full.rendition:
            return None
        self._outputs.take(full)
        return full

    def _forget(self) -> None:
        """The picture before is needed no more."""
        left, self._left = self._left, None
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if left is not None:
            self._outputs.give_back(left)

    def _subscribe(self, output: Output) -> None:
        subscription = self.negotiated.video if output.codec.is_video else self.negotiated.audio
        assert subscription is not None
        self.peer.subscribe(self._outputs.feed(output), subscription)
