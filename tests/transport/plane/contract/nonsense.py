"""What does not belong there, from the network and from callers."""

from __future__ import annotations

import random
import socket
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.fakes.media import AUDIO, VIDEO, gop, h264_unit
from tests.fakes.viewer import PATIENCE_S, audio_subscription, video_subscription
from tests.transport.plane.bench import AUDIO_SSRC, RTX_SSRC, VIDEO_SSRC, Bench, assert_contiguous, write_all
from tests.transport.plane.contract.base import Contract
from transport.media import AccessUnit, Codec
from transport.plane.interface import DtlsReceived, SrtpProfile


class Nonsense(Contract):
    def test_a_flood_of_garbage_disturbs_nobody(self, bench: Bench) -> None:
        feed = bench.feed()
        write_all(feed, gop(0, 1))
        _, viewer = bench.join((feed, video_subscription()))
        rng = random.Random(4)
        cookie = bytes.fromhex("2112a442")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(10_000):
                noise = rng.randbytes(rng.randrange(0, 200))
                if number % 3 == 0:
                    noise = b"\0\1" + len(noise).to_bytes(2, "big") + cookie + bytes(12) + noise
                elif number % 3 == 1:
                    noise = bytes([rng.choice((22, 128, 200))]) + noise
                stranger.sendto(noise, bench.address)
                if number % 10 == 0:  # also from an address that is known
                    viewer.send(noise or b"\xff")
                if number % 100 == 0:
                    feed.write(h264_unit((number + 100) * 30, keyframe=False))
                    viewer.poll()
        viewer.wait(lambda: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 101)
        assert_contiguous(viewer.seqs(VIDEO_SSRC))
        assert viewer.undecipherable == 0
        viewer.connect()

    def test_a_datagram_that_is_too_long_is_not_cut_off(self, bench: Bench) -> None:
        peer, viewer = bench.peer(collects=True)
        viewer.connect()
        for size in (2049, 3000, 2048):
            for first in (b"\x16", b"\x80"):
                viewer.send(first + bytes(size - 1))
        viewer.connect()
        assert bench.wait_for_event(DtlsReceived) == [DtlsReceived(peer, b"\x16" + bytes(2047))]
        assert [datagram for datagram, _ in peer.take(10, PATIENCE_S)] == [b"\x80" + bytes(2047)]

    def test_wrong_arguments_are_refused(self, bench: Bench) -> None:
        with pytest.raises(ValueError, match="aac"):
            bench.feed(Codec.AAC)
        for ufrag, pwd in (("u" * 257, "password"), ("ufrag", "")):
            with pytest.raises(ValueError, match="bytes"):
                bench.plane.peer(ufrag, pwd)
        peer, _ = bench.peer()
        with pytest.raises(ValueError, match="bytes"):
            peer.set_credentials("ufrag", "p" * 257)
        with pytest.raises(ValueError, match="AEAD_AES_256_GCM"):
            peer.set_keys(SrtpProfile.AEAD_AES_256_GCM, bytes(28), bytes(44))
        video, audio = bench.feed(), bench.feed(Codec.OPUS)
        peer.subscribe(video, video_subscription())
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(audio, audio_subscription(VIDEO_SSRC))
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(audio, audio_subscription(RTX_SSRC))
        with pytest.raises(ValueError, match="ssrc"):
            peer.subscribe(video, video_subscription(VIDEO_SSRC - 1))  # its RTX would be the other's media
        for payload_type in (-1, 128):
            with pytest.raises(ValueError, match="0-127"):
                peer.subscribe(video, replace(video_subscription(), payload_type=payload_type))
        with pytest.raises(ValueError, match="h264"):
            audio.write(h264_unit(0, keyframe=True))

    def test_units_that_cannot_be_packetised_are_left_out(self, bench: Bench) -> None:
        feed = bench.feed(Codec.OPUS)
        _, viewer = bench.join((feed, audio_subscription()))
        viewer.connect()
        feed.write(AccessUnit(AUDIO, 0, 0, bytes(5000), True, 0.0))
        feed.write(AccessUnit(AUDIO, 0, 0, b"", True, 0.0))
        feed.write(AccessUnit(AUDIO, 960, 960, b"sound", True, 0.0))
        viewer.wait(lambda: viewer.packets(AUDIO_SSRC))
        assert viewer.packets(AUDIO_SSRC)[0].payload == b"sound"

    def test_units_on_another_clock_are_converted(self, bench: Bench) -> None:
        feed = bench.feed()
        _, viewer = bench.join((feed, video_subscription()))
        milliseconds = replace(VIDEO, clock_rate=1000)
        for count, pts in enumerate((0, 40, 80), 1):
            feed.write(h264_unit(pts, keyframe=pts == 0, track=milliseconds))
            viewer.wait(lambda count=count: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == count)  # type: ignore[misc]
        stamps = [p.timestamp for p in viewer.packets(VIDEO_SSRC) if p.marker]
        assert [(b - a) & 0xFFFFFFFF for a, b in pairwise(stamps)] == [3600, 3600]
