from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from auth.permissions.actions import Action
from loadtests.rig.server import free_ports
from ops.components.rtsp_port import RtspPort
from streamer.config import parse
from streamer.egress.rtsp import RtspEgress, RtspReader
from streamer.hub.registry import Registry
from streamer.hub.stream import Publication, Publisher
from streamer.ingest.rtsp import RtspIngest
from streamer.sections.rtsp import RtspConfig
from tests.fakes.wait import wait_until
from tests.rigs.doors import Doorkeeper
from tests.transport.rtsp.caller import RtspCaller
from transport.media import AccessUnit
from transport.rtsp.udp import even_port

ENCODERS = "correct horse battery"
STREAMS: dict[str, dict[str, object]] = {
    "open": {"public": True, "publish_key": "key"},
    "private": {"publish_key": "key"},
    "sealed": {"publish_key": "key", "passphrase": ENCODERS, "encryption": "aes-128"},
    "secret": {"publish_key": "key", "e2e": True, "clear_relays": True},
    "plain": {"public": True, "publish_key": "key", "renditions": "off"},
    "gate": {"public": True, "source": "rtsp://192.0.2.1/", "on_demand": True},
}
MOST = 3


class Rig:
    def __init__(self, state_dir: Path, tls: ssl.SSLContext | None = None, *, udp: bool = False) -> None:
        self.doorkeeper = Doorkeeper(state_dir)
        self.registry = Registry()
        self.registry.apply(parse({"streams": STREAMS}).streams)
        self.ingest = RtspIngest(self.registry, self.doorkeeper.guard.door)
        self.egress = RtspEgress(self.registry, self.doorkeeper.guard.door, MOST)
        self.port = RtspPort(
            RtspConfig(listen=f"127.0.0.1:{paired_port() if udp else 0}", udp=udp),
            self.ingest,
            self.egress,
            tls,
        )
        self._callers: list[RtspCaller] = []
        self._live: list[tuple[threading.Event, threading.Thread]] = []

    @property
    def address(self) -> tuple[str, int]:
        return self.port.address

    def url(self, path: str, *, scheme: str = "rtsp", login: str = "") -> str:
        return (
            f"{scheme}://{login}{'localhost' if scheme == 'rtsps' else '127.0.0.1'}:{self.address[1]}/{path}"
        )

    def watch_token(self, name: str) -> str:
        return self.doorkeeper.token(Action.WATCH, name)

    def call(self, tls: ssl.SSLContext | None = None) -> RtspCaller:
        self._callers.append(RtspCaller(self.address, tls))
        return self._callers[-1]

    def describe(self, path: str, *, login: str = "", tls: ssl.SSLContext | None = None) -> tuple[int, str]:
        said = {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}
        return self.call(tls).ask("DESCRIBE", self.url(path), **said)

    def playing(
        self, path: str, tracks: int = 1, tls: ssl.SSLContext | None = None
    ) -> tuple[RtspCaller, RtspReader]:
        """Somebody who reads these tracks, over the channels 0 and 1, 2 and 3."""
        before = {reader.id for reader in self.egress.readers}
        caller = self.call(tls)
        assert caller.ask("DESCRIBE", self.url(path))[0] == 200
        for number in range(tracks):
            way = f"RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}"
            assert caller.ask("SETUP", self.url(f"{path}/trackID={number}"), Transport=way)[0] == 200
        assert caller.ask("PLAY", self.url(path))[0] == 200
        assert caller.packets == []  # what comes before the answer ffmpeg drops
        (reader,) = [reader for reader in self.egress.readers if reader.id not in before]
        return caller, reader

    def publish(self, name: str, *units: AccessUnit) -> Publication:
        publication = self.registry.find(name).publish(Publisher("one", "srt", "192.0.2.9:4000"))
        publication.declare(tuple({unit.track.id: unit.track for unit in units}.values()))
        for unit in units:
            publication.write(unit)
        return publication

    def go_live(self, name: str, units: Sequence[AccessUnit], pace: float = 1.0) -> Publication:
        """Publish units at the pace of their times, until there are no more or the test is over."""
        publication = self.registry.find(name).publish(Publisher("one", "srt", "192.0.2.9:4000"))
        publication.declare(tuple({unit.track.id: unit.track for unit in units}.values()))
        enough = threading.Event()

        def run() -> None:
            began_at, first = time.monotonic(), units[0].dts_s
            for unit in units:
                if enough.wait(max(0.0, began_at + (unit.dts_s - first) / pace - time.monotonic())):
                    return
                publication.write(arrived(unit))

        thread = threading.Thread(target=run)
        self._live.append((enough, thread))
        thread.start()
        wait_until(lambda: self.registry.find(name).ready, "the stream")
        return publication

    def close(self) -> None:
        for enough, thread in self._live:
            enough.set()
            thread.join()
        self.egress.close("the test is over")
        self.port.close()
        for caller in self._callers:
            caller.sock.close()
        self.doorkeeper.close()


def paired_port() -> int:
    """A port that is free now, even, and with it the pair of UDP ports beside it."""
    while True:
        port = even_port(free_ports(1)[0])
        with contextlib.suppress(OSError), contextlib.ExitStack() as bound:
            bound.enter_context(socket.socket()).bind(("127.0.0.1", port))
            for each in (port, port + 1):
                bound.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", each))
            return port


def arrived(unit: AccessUnit) -> AccessUnit:
    return AccessUnit(unit.track, unit.pts, unit.dts, unit.data, unit.keyframe, time.monotonic())


def read(
    url: str, enough: Callable[[list[Packet[Any]]], bool], **options: str
) -> tuple[list[Any], list[Packet[Any]]]:
    """Streams and packets that libav finds, until there is enough."""
    packets: list[Packet[Any]] = []
    with av.open(url, format="rtsp", options={"rtsp_transport": "tcp", **options}, timeout=20) as container:
        streams = [(stream.type, stream.codec_context.name) for stream in container.streams]  # type: ignore[union-attr]
        for packet in container.demux():
            if packet.size:
                packets.append(packet)
            if enough(packets):
                break
    return streams, packets
