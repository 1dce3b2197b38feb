"""Steps: viewers and publishers come, change and go."""

from __future__ import annotations

import os
import random
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tests.fakes.media import AUDIO
from tests.fakes.viewer import audio_subscription, video_subscription
from tests.fuzz.scene import Scene, Viewer
from tests.fuzz.taker import Taker
from transport.plane.interface import SrtpProfile

_MAX_VIEWERS = 6
#: Of those who join.
_PUBLISHERS_SHARE = 0.15
#: From as many on a thread lets what is written, and what viewers send, wait for company.
_CROWD = 64
_PROTOCOLS = ("udp", "udp", "tcp")
#: Of a subscription; some of them are refused.
_CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"mid": "m" * 16},
    {"mid_extension": 0},
    {"cname": "c" * 300},
    {"payload_type": 200},
    {"ssrc": 0x1001},
    {"rtx_ssrc": None},
    {"rtx_ssrc": 0x2000, "rtx_payload_type": 1},
)


class Viewers(Scene):
    """Who joins, as what, from where and until when."""

    def join(self, rng: random.Random) -> None:
        if len(self._viewers) >= _MAX_VIEWERS:
            return
        collects = rng.random() < _PUBLISHERS_SHARE
        viewer = self._new_viewer(rng.choice(_PROTOCOLS), rng.choice(list(SrtpProfile)), collects=collects)
        self._viewers.append(viewer)
        if collects and rng.random() < 0.7:
            self._takers.append(Taker(viewer.peer, rng.getrandbits(32)))
        actions: list[Callable[[], object]] = [
            lambda: viewer.fake.give_keys(viewer.peer),
            viewer.fake.check,
            lambda: self._subscribe(viewer, rng),
            lambda: self._subscribe(viewer, rng),
        ]
        if collects and rng.random() < 0.6:
            actions.append(lambda: viewer.peer.open_with(viewer.fake.profile, viewer.fake.own_key))
        rng.shuffle(actions)
        for action in actions:
            action()

    def crowd(self, rng: random.Random) -> None:
        """Many who say nothing, on each thread."""
        if not self._crowd:
            for _ in range(_CROWD * self._threads):
                self._count += 1
                self._crowd.append(self._plane.peer(f"ufrag{self._count}", "password-of-twenty-two-chars"))
        else:
            for peer in self._crowd:
                peer.close(bye=rng.random() < 0.5)
            self._crowd.clear()

    def subscribe(self, rng: random.Random) -> None:
        if self._viewers:
            self._subscribe(rng.choice(self._viewers), rng)

    def _subscribe(self, viewer: Viewer, rng: random.Random) -> None:
        if not self._feeds:
            return
        feed, track = rng.choice(self._feeds)
        wanted = audio_subscription() if track is AUDIO else video_subscription(rng.choice((0x1000, 0x3000)))
        changes = rng.choice(_CHANGES)
        with suppress(ValueError):
            viewer.peer.subscribe(feed, replace(wanted, **changes))

    def rekey(self, rng: random.Random) -> None:
        """Other keys, or the same ones again."""
        if self._viewers:
            viewer = rng.choice(self._viewers)
            if rng.random() < 0.5:
                viewer.mix()
                size = viewer.fake.profile.key_bytes + viewer.fake.profile.salt_bytes
                # Not of `rng`: the same step may happen to two viewers.
                viewer.fake.server_key, viewer.fake.own_key = os.urandom(size), os.urandom(size)
                viewer.fake._reset_srtp()
            viewer.fake.give_keys(viewer.peer)

    def restart(self, rng: random.Random) -> None:
        if self._viewers:
            viewer = rng.choice(self._viewers)
            name = rng.choice(
                (f"renewed{rng.random()}", viewer.fake.ufrag, "", "u" * 256, "u" * 257, "ufrag1")
            )
            with suppress(ValueError):
                viewer.peer.set_credentials(name, "renewed-password-of-22+")
                viewer.fake.ufrag, viewer.fake.pwd = name, "renewed-password-of-22+"
            self._send(viewer.fake, viewer.fake.check)

    def move(self, rng: random.Random) -> None:
        """From another address, more than the plane remembers now and then."""
        if self._viewers:
            fake = rng.choice(self._viewers).fake
            for _ in range(rng.choice((1, 2, 12))):
                with suppress(OSError):
                    self._stack.callback(fake.move().close)
                    fake.is_ended = False
                fake.check(nominate=rng.random() < 0.7)

    def take_over(self, rng: random.Random) -> None:
        """One viewer proves itself from the other's address or connection."""
        if len(self._viewers) > 1:
            one, other = rng.sample(self._viewers, 2)
            one.mix()
            other.mix()
            names = one.fake.ufrag, one.fake.pwd
            one.fake.ufrag, one.fake.pwd = other.fake.ufrag, other.fake.pwd
            self._send(one.fake, one.fake.check)
            one.fake.ufrag, one.fake.pwd = names

    def leave(self, rng: random.Random) -> None:
        if self._viewers:
            viewer = self._viewers.pop(rng.randrange(len(self._viewers)))
            how = rng.randrange(4)
            if how == 0:
                viewer.peer.close(bye=rng.random() < 0.5)
                viewer.peer.send(b"\x16late")
                self._subscribe(viewer, rng)
            elif how == 1:  # a connection that is reset instead of closed
                with suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    viewer.fake.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if how < 3:
                viewer.fake.close()
                viewer.fake.is_ended = True

    def read(self, rng: random.Random) -> None:
        for viewer in self._viewers:
            if rng.random() < 0.7:
                viewer.fake.poll()
        self._plane.poll()
        self._plane.snapshot()
