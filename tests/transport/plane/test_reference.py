import socket
from contextlib import ExitStack
from typing import Any

from tests.fakes.media import gop, h264_unit
from tests.fakes.viewer import FakeViewer, video_subscription
from tests.transport.plane.bench import VIDEO_SSRC
from tests.transport.plane.contract import PlaneContract
from transport.media import Codec
from transport.plane.interface import PlaneOptions
from transport.plane.reference import ReferencePlane


class TestReferencePlane(PlaneContract):
    open_plane = ReferencePlane


class FullSocket(socket.socket):
    """A UDP socket whose buffer is full for some."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.full_for: set[Any] = set()

    def sendto(self, data: Any, address: Any) -> int:  # type: ignore[override]
        if address in self.full_for and data[0] >= 128:
            raise BlockingIOError
        return super().sendto(data, address)


def test_a_full_socket_costs_one_viewer_its_run_and_nobody_else_anything() -> None:
    sock = FullSocket()
    sock.bind(("127.0.0.1", 0))
    with ExitStack() as stack:
        plane = ReferencePlane([sock], [], PlaneOptions())
        stack.callback(plane.close)
        feed = plane.feed(Codec.H264, 90_000, epoch_s=0.0)
        viewers = []
        for name in ("first", "second"):
            peer = plane.peer(name, "password")
            viewer = FakeViewer(sock.getsockname(), name, "password")
            stack.callback(viewer.close)
            viewer.connect()
            viewer.give_keys(peer)
            peer.subscribe(feed, video_subscription())
            viewers.append(viewer)
        for unit in gop(0, 2):
            feed.write(unit)
        for viewer in viewers:
            viewer.wait(lambda viewer=viewer: sum(p.marker for p in viewer.packets(VIDEO_SSRC)) == 2)  # type: ignore[misc]
        first, second = viewers
        sock.full_for.add(first.address)
        feed.write(h264_unit(6000, keyframe=False))
        second.wait(lambda: sum(p.marker for p in second.packets(VIDEO_SSRC)) == 3)
        second.connect()  # the run of the first was tried as well, whoever came first
        sock.full_for.clear()
        feed.write(h264_unit(9000, keyframe=False))
        first.wait(lambda: sum(p.marker for p in first.packets(VIDEO_SSRC)) == 3)
        dropped = plane.snapshot()["packets_dropped"].tolist()
        assert dropped[1] == 0 and dropped[0] == 3
        # The numbers were used up: to the viewer it is loss, which it can have repaired.
        seqs = first.seqs(VIDEO_SSRC)
        missing = [(seqs[-1] - back) & 0xFFFF for back in range(3, 6)]
        assert not set(missing) & set(seqs)
        first.nack(VIDEO_SSRC, *missing)
        first.wait(lambda: len(first.packets(VIDEO_SSRC + 1)) == 3)


def test_garbage_is_counted() -> None:
    with ExitStack() as stack:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        plane = ReferencePlane([sock], [], PlaneOptions())
        stack.callback(plane.close)
        plane.peer("name", "password")
        viewer = FakeViewer(sock.getsockname(), "name", "password")
        stack.callback(viewer.close)
        for datagram in (b"\xff", b"\x16dtls", b"\x80rtp", b"\0\1stun"):
            viewer.send(datagram)
        viewer.connect()
        assert plane.garbage == 4
        assert (plane.name, plane.cipher) == ("python", "libsrtp")
