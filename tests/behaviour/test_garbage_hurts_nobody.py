"""Whatever is thrown at it, the server goes on, other streams are undisturbed and nothing is left behind."""

from __future__ import annotations

import random
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.rig.encoder import Programme, ffmpeg_arguments, ffmpeg_srt
from loadtests.rig.process import Process, wait_until
from loadtests.rig.server import Server
from loadtests.rig.viewer import watch
from tests.behaviour.streams import KEY, OPEN, stream_id
from transport.errors import LinkError
from transport.srt import SrtOptions, SrtTarget, connect

TWO_STREAMS = OPEN + OPEN.replace("[streams.cam]", "[streams.victim]")
SEED = 20261122
#: Pools of threads and of the database's connections fill as they are needed, and stay.
POOLED = 6
#: More than that, so that one of anything left by each is noticed.
PUBLICATIONS = 8


def descriptors(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def threads(server: Server) -> int:
    return len(list(Path(f"/proc/{server.pid}/task").iterdir()))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with a publisher on `cam`, which nothing that follows may disturb."""
    programme = Programme(size="320x180", bitrate_kbps=500)
    with Server(TWO_STREAMS) as server, ffmpeg_srt(server.srt_port, stream_id(), programme):
        server.wait_live("cam")
        yield server


@pytest.fixture(autouse=True)
async def undisturbed(server: Server) -> object:
    """Somebody watches `cam` while the test runs, before and after it, on the same session."""
    before = server.stream("cam")["publisher"]["id"]
    idle = (descriptors(server), threads(server))
    async with watch(f"{server.url}/whep/cam") as viewer:
        await viewer.wait_for(lambda v: v.pictures > 10)
        yield
        reached = viewer.pictures
        await viewer.wait_for(lambda v: v.pictures > reached + 30)
    assert server.running
    assert server.stream("cam")["publisher"]["id"] == before
    assert '"level": "error"' not in server.output
    # libsrt takes some seconds to let go of a socket it has closed.
    wait_until(lambda: server.viewers() == [], 20, "the viewers to be gone")
    most = [each + POOLED for each in idle]
    wait_until(
        lambda: descriptors(server) <= most[0] and threads(server) <= most[1],
        30,
        f"what was opened to be closed: {idle} descriptors and threads before",
    )


def send_slowly(target: tuple[str, int], datagrams: Iterator[bytes]) -> None:
    """All of them, in bursts that the kernel's buffer can take, so that each is looked at."""
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.connect(target)
        for datagram in datagrams:
            sender.send(datagram)


def test_ten_thousand_datagrams(server: Server) -> None:
    rng = random.Random(SEED)
    first_bytes = [*range(4), *range(20, 64), *range(128, 192), 255]

    def garbage() -> Iterator[bytes]:
        for _ in range(10_000):
            # Half of it looks like STUN, DTLS or RTP at first sight (RFC 7983).
            first = rng.choice(first_bytes) if rng.random() < 0.5 else rng.randrange(256)
            yield bytes([first]) + rng.randbytes(rng.randrange(1400))

    send_slowly(("127.0.0.1", server.webrtc_port), garbage())


def test_random_bytes_over_tcp(server: Server) -> None:
    rng = random.Random(SEED)
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", server.webrtc_port)) as connection:
            connection.settimeout(5)
            try:
                connection.sendall(rng.randbytes(rng.randrange(1, 5000)))
            except OSError:
                continue  # it closed the door already


def publish(server: Server, payload: bytes) -> None:
    """Send bytes to `victim` as an encoder would."""
    target = SrtTarget("caller", "127.0.0.1", server.srt_port, f"publish:victim:{KEY}", options=SrtOptions())
    server.wait_free("victim")
    connection = connect(target)
    try:
        for start in range(0, len(payload), 1316):
            connection.send(payload[start : start + 1316])
        wait_until(
            lambda: (
                server.stream("victim")["publisher"] is not None
                and server.stream("victim")["publisher"]["statistics"]["srt"]["packets_received"] > 0
            ),
            10,
            "the bytes to arrive",
        )
    except LinkError:
        pass  # refused half way: as good an answer as any
    finally:
        connection.close()


def test_random_bytes_over_srt(server: Server) -> None:
    rng = random.Random(SEED)
    for _ in range(PUBLICATIONS):
        publish(server, rng.randbytes(50_000))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ts") / "short.ts"
    arguments = [
        part for part in ffmpeg_arguments(Programme(size="160x90", bitrate_kbps=300)) if part != "-re"
    ]
    with Process([*arguments, "-t", "4", "-f", "mpegts", str(path)]) as encoder:
        assert encoder.wait(30) == 0
    return path.read_bytes()


def test_transport_stream_cut_at_random_places(server: Server, recording: bytes) -> None:
    rng = random.Random(SEED)
    for _ in range(PUBLICATIONS):
        pieces = []
        while sum(map(len, pieces)) < 150_000:
            start = rng.randrange(len(recording))
            pieces.append(recording[start : start + rng.randrange(20_000)])
        publish(server, b"".join(pieces))


def test_offers_from_a_fuzzer(server: Server) -> None:
    rng = random.Random(SEED)
    good = Path(__file__).parents[1].joinpath("vectors", "sdp", "chromium.sdp").read_bytes()
    seen = set()
    for _ in range(300):
        offer = bytearray(good)
        for _ in range(rng.randrange(1, 30)):
            offer[rng.randrange(len(offer))] = rng.randrange(256)
        if rng.random() < 0.3:
            del offer[rng.randrange(len(offer)) :]
        request = urllib.request.Request(
            f"{server.url}/whep/cam",
            data=bytes(offer),
            headers={"Content-Type": "application/sdp"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                seen.add(answer.status)
                session = answer.headers["Location"]
            leave = urllib.request.Request(f"{server.url}{session}", method="DELETE")
            with urllib.request.urlopen(leave, timeout=10) as answer:
                assert answer.status == 200
        except urllib.error.HTTPError as error:
            with error:
                seen.add(error.code)

    assert seen <= {201, 400, 406}
    assert 400 in seen
