"""Reading over UDP."""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.wait import wait_until
from tests.streamer.egress.rtsp.rig import Rig, paired_port
from tests.transport.media.sources import picture_units
from tests.transport.rtmp.ingest import Authority
from tests.transport.rtsp.caller import RtspCaller
from transport.errors import LinkError
from transport.media import Codec
from transport.rtp import rtcp
from transport.rtp.depacketize import Depacketizer
from transport.rtp.header import parse
from transport.rtsp.listener import RtspListener
from transport.rtsp.udp import UdpPair, even_port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def rig(tmp_path: Path, authority: Authority) -> Iterator[Rig]:
    rig = Rig(tmp_path, authority.context("localhost"), udp=True)
    yield rig
    rig.close()


class Receiver:
    """Two ports."""

    def __init__(self) -> None:
        self.port = paired_port()
        self.rtp, self.rtcp = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
        for sock, port in ((self.rtp, self.port), (self.rtcp, self.port + 1)):
            sock.settimeout(20)
            sock.bind(("127.0.0.1", port))

    @property
    def way(self) -> str:
        return f"RTP/AVP;unicast;client_port={self.port}-{self.port + 1}"

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def playing(rig: Rig, receiver: Receiver) -> RtspCaller:
    caller = rig.call()
    assert caller.ask("DESCRIBE", rig.url("open"))[0] == 200
    status, text = caller.ask("SETUP", rig.url("open/trackID=0"), Transport=receiver.way)
    ports = f"server_port={even_port(rig.address[1])}-{even_port(rig.address[1]) + 1}"
    assert (status, ports in text) == (200, True)
    assert caller.ask("PLAY", rig.url("open"))[0] == 200
    return caller


def test_packets_and_reports_come_to_the_client_s_ports(rig: Rig, receiver: Receiver) -> None:
    pictures = picture_units(Codec.H264, 20)
    rig.publish("open", *pictures)
    caller = playing(rig, receiver)
    report, peer = receiver.rtcp.recvfrom(2048)
    assert peer[1] == even_port(rig.address[1]) + 1
    assert isinstance(rtcp.parse_compound(report)[0], rtcp.SenderReport)
    depacketizer, found = Depacketizer(Codec.H264), list[bytes]()
    while len(found) < len(pictures):
        packet, peer = receiver.rtp.recvfrom(2048)
        assert peer[1] == even_port(rig.address[1])
        assert len(packet) <= 1412
        if (assembled := depacketizer.push(parse(packet))) is not None:
            found.append(assembled.data)
    assert found == [unit.data for unit in pictures]
    (reader,) = rig.egress.readers
    assert reader.describe()["transport"] == "udp"
    assert caller.packets == []


def test_a_report_of_the_client_s_says_that_it_is_there(rig: Rig, receiver: Receiver) -> None:
    rig.publish("open", *picture_units(Codec.H264, 2))
    playing(rig, receiver)
    (reader,) = rig.egress.readers
    connection = reader._connection
    connection.heard_at = 0.0
    receiver.rtcp.sendto(
        rtcp.serialize_compound([rtcp.ReceiverReport(1, ())]), ("127.0.0.1", even_port(rig.address[1]) + 1)
    )
    wait_until(lambda: connection.heard_at > 0, "the report to be heard")
    connection.heard_at = 0.0
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"not his", ("127.0.0.1", even_port(rig.address[1]) + 1))
        receiver.rtp.sendto(b"his", ("127.0.0.1", even_port(rig.address[1])))
        wait_until(lambda: connection.heard_at > 0, "the other port")


def test_who_left_is_sent_nothing_more(rig: Rig, receiver: Receiver) -> None:
    pictures = picture_units(Codec.H264, 20)
    rig.publish("open", *pictures[:2])
    caller = playing(rig, receiver)
    receiver.rtp.recv(2048)
    assert caller.ask("TEARDOWN", rig.url("open"))[0] == 200
    assert caller.ends()
    wait_until(lambda: not rig.egress.readers, "the reader to leave")
    pair = rig.port._listener._udp  # type: ignore[union-attr]
    assert pair is not None
    wait_until(lambda: not pair._takers, "nobody to be known any more")
    packets = [rtcp.parse_compound(receiver.rtcp.recv(2048)) for _ in range(2)]
    assert isinstance(packets[-1][-1], rtcp.Bye)


def test_over_tls_there_is_no_udp(rig: Rig, authority: Authority, receiver: Receiver) -> None:
    rig.publish("open", *picture_units(Codec.H264, 2))
    caller = rig.call(ssl.create_default_context(cafile=str(authority.file)))
    assert caller.ask("DESCRIBE", rig.url("open"))[0] == 200
    assert caller.ask("SETUP", rig.url("open/trackID=0"), Transport=receiver.way)[0] == 461


def test_ports_that_are_taken() -> None:
    port = paired_port()
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port + 1))
        with pytest.raises(LinkError, match=f"cannot listen on 127.0.0.1 UDP port {port + 1}"):
            RtspListener(("127.0.0.1", port), lambda connection: None)
    RtspListener(("127.0.0.1", port), lambda connection: None).close()  # nothing is left of it


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_address_is_of_both_families(host: str) -> None:
    pair = UdpPair("::", paired_port())
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    came: queue.Queue[tuple[bool, bytes]] = queue.Queue()
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.bind((host, 0))
        port = client.getsockname()[1]
        # As an IPv4 address looks to a socket for both.
        peer = (host if ":" in host else f"::ffff:{host}", 4000, 0, 0)

        def take(is_rtcp: bool, data: bytes) -> None:
            came.put((is_rtcp, data))

        pair.join(peer, (port, port + 1), take)
        assert pair.send(peer, port, b"there", is_rtcp=True)
        data, source = client.recvfrom(100)
        assert (data, source[1]) == (b"there", pair.ports[1])
        client.sendto(b"back", (host, pair.ports[1]))
        assert came.get(timeout=20) == (True, b"back")
    pair.close()
