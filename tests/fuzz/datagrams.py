"""Steps: what viewers, publishers and strangers send."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from tests.fakes.viewer import FakeViewer
from tests.fuzz import nonsense
from tests.fuzz.scene import Scene
from transport.errors import StateError

#: More than an inbox holds, and short enough that the kernel keeps them.
_FLOOD, _FLOOD_BYTES = 2100, 14


class Datagrams(Scene):
    """Checks, reports, media, DTLS and none of these."""

    def check(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 10))):
            self._say(rng, lambda fake: nonsense.check(fake.ufrag, fake.pwd, rng))

    def report(self, rng: random.Random) -> None:
        """Authentic, whatever it says."""
        for _ in range(rng.choice((1, 10))):
            self._say(rng, lambda fake: fake._tx.protect_rtcp(nonsense.reports(rng)))

    def forge(self, rng: random.Random) -> None:
        def forged(fake: FakeViewer) -> bytes:
            return nonsense.bent(fake._tx.protect_rtcp(nonsense.reports(rng)), rng)

        for _ in range(rng.choice((1, 10))):
            self._say(rng, forged)

    def replay(self, rng: random.Random) -> None:
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            datagram = fake._tx.protect_rtcp(nonsense.reports(rng))
            for _ in range(3):
                self._send(fake, lambda: fake.send(datagram))

    def ask_again(self, rng: random.Random) -> None:
        """For packets that were there, and those around them."""
        for viewer in self._viewers:
            for ssrc in list(viewer.fake.streams):
                seqs = viewer.fake.seqs(ssrc)[-50:]
                wanted = {(seq + rng.choice((0, 0, 0, 1, -1, 0x8000))) & 0xFFFF for seq in seqs}
                if wanted and rng.random() < 0.7:
                    self._send(viewer.fake, lambda v=viewer, s=ssrc, w=wanted: v.fake.nack(s, *w))

    def babble(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 30))):
            self._say(rng, lambda fake: nonsense.noise(rng))

    def publish(self, rng: random.Random) -> None:
        """Media, which of viewers is garbage; now and then more of it than is kept."""
        for _ in range(rng.choice((1, 30))):
            self._say(rng, lambda fake: nonsense.media(rng))
        publishers = [viewer for viewer in self._viewers if viewer.collects]
        if publishers and rng.random() < 0.2:
            fake, datagram = rng.choice(publishers).fake, nonsense.media(rng)[:_FLOOD_BYTES]
            for _ in range(_FLOOD):
                self._send(fake, lambda: fake.send(datagram))

    def take(self, rng: random.Random) -> None:
        for viewer in self._viewers:
            with suppress(ValueError, StateError):  # a viewer; another thread takes
                viewer.peer.take(rng.choice((0, 1, 100, 1 << 40)), rng.choice((-1.0, 0.0, 0.001)))
            assert viewer.peer.datagrams_dropped >= 0

    def dtls(self, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 3))):
            self._say(
                rng, lambda fake: bytes([rng.randrange(20, 64)]) + rng.randbytes(rng.choice(nonsense.SIZES))
            )
        for viewer in self._viewers:
            viewer.peer.send(b"\x16" * rng.choice(nonsense.SIZES))

    def connect(self, rng: random.Random) -> None:
        """Over TCP, by somebody who may or may not be known, in pieces."""
        datagrams = [b"\x16dtls", nonsense.noise(rng) or b"\xff"]
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            datagrams += [nonsense.check(fake.ufrag, fake.pwd, rng) for _ in range(3)]
            datagrams.append(fake._tx.protect_rtcp(nonsense.reports(rng)))
        rng.shuffle(datagrams)
        with suppress(OSError):
            connection = socket.create_connection(self._address, timeout=1)
            self._stack.callback(connection.close)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in nonsense.frames(datagrams, rng):
                connection.send(piece)
            if rng.random() < 0.5:
                connection.close()
