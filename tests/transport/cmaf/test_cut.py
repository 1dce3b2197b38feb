from __future__ import annotations

import functools
import io
import random

import av
import pytest

from tests.transport.cmaf.test_mux import pieces
from tests.transport.media.sources import picture_units, sound_units, tone
from transport.cmaf import Copied, Cut, Run, cut, describe, fragment, header, length, length_offset
from transport.errors import WireError
from transport.media import Codec

SECONDS = 10  #: with a keyframe every two


class Bytes:
    """A source that gives little at once, as encrypted files do where a record ends."""

    def __init__(self, data: bytes, most: int = 1000) -> None:
        self.data = data
        self.size = len(data)
        self.most = most

    def read(self, at: int, count: int) -> bytes:
        return self.data[at : at + min(count, self.most)]


def made(source: Bytes, part: Cut) -> bytes:
    file = b"".join(
        source.data[each.start : each.end] if isinstance(each, Copied) else each for each in part.pieces
    )
    assert len(file) == part.size
    return file


def packets(file: bytes) -> dict[str, list[tuple[float, float, bytes]]]:
    """When each is decoded and shown, and what is in it."""
    found: dict[str, list[tuple[float, float, bytes]]] = {"video": [], "audio": []}
    with av.open(io.BytesIO(file), format="mp4") as container:
        for packet in container.demux():
            if packet.size:
                assert packet.dts is not None and packet.pts is not None
                base = float(packet.time_base)
                found[packet.stream.type].append((packet.dts * base, packet.pts * base, bytes(packet)))
    return found


@functools.cache
def file(*, picture: bool = True, sound: bool = True, b_frames: int = 2) -> bytes:
    """A fragment a second."""
    options = {"g": "50", "keyint_min": "50", "sc_threshold": "0", "bf": str(b_frames)}
    lanes = []
    if picture:
        lanes.append(picture_units(Codec.H264, SECONDS * 25, options=options))
    if sound:
        lanes.append(sound_units(Codec.AAC, tone(float(SECONDS), 48_000), 48_000))
    data = header([lane[0].track for lane in lanes], has_length=True)
    first_s = min(lane[0].dts_s for lane in lanes)
    zeros = [round(first_s * lane[0].track.clock_rate) for lane in lanes]
    for number, parts in enumerate(zip(*(pieces(lane, SECONDS) for lane in lanes), strict=True), 1):
        data += fragment(number, [Run(at, part, zeros[at]) for at, part in enumerate(parts)])
    at = length_offset(data)
    return data[:at] + length(float(SECONDS)) + data[at + 8 :]


@pytest.mark.parametrize(
    ("begin_s", "end_s", "begins_s"),
    [
        (0.0, 10.0, 0.0),
        (0.0, 0.21, 0.0),
        (3.3, 4.7, 2.0),
        (4.0, 5.0, 4.0),
        (7.9, 99.0, 6.0),
        (9.99, 10.5, 8.0),
    ],
)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_a_part_is_what_its_time_has_from_the_keyframe_on(
    begin_s: float, end_s: float, begins_s: float, b_frames: int
) -> None:
    source = Bytes(file(b_frames=b_frames))
    whole = packets(source.data)
    first_s, shown_s, _ = whole["video"][0]
    part = cut(source, begin_s + shown_s, end_s + first_s)
    cut_off = packets(made(source, part))
    start_s = part.begins_s - (shown_s - first_s)
    assert start_s == pytest.approx(begins_s + first_s, abs=0.001)
    for kind, wanted in whole.items():
        expected = [each for each in wanted if start_s - 0.001 <= each[0] < end_s + first_s]
        assert [each[2] for each in cut_off[kind]] == [each[2] for each in expected]
        for times in (0, 1):
            assert [each[times] for each in cut_off[kind]] == pytest.approx(
                [each[times] - start_s for each in expected], abs=0.0005
            )
    assert describe(made(source, part)).duration_s == pytest.approx(part.duration_s, abs=0.001)


def test_every_picture_of_a_part_can_be_decoded() -> None:
    source = Bytes(file())
    first_s = packets(source.data)["video"][0][0]
    with av.open(io.BytesIO(made(source, cut(source, 4.5, 7.0 + first_s))), format="mp4") as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert len(shown) == 75
    assert shown == sorted(shown)


def test_sound_alone_is_cut_where_it_was_asked() -> None:
    source = Bytes(file(picture=False))
    part = cut(source, 3.3, 4.7)
    assert part.begins_s == pytest.approx(3.3, abs=1024 / 48_000)
    assert part.duration_s == pytest.approx(1.4, abs=2 * 1024 / 48_000)
    assert len(packets(made(source, part))["audio"]) in (65, 66, 67)


def test_what_is_not_there_whole_is_left_out() -> None:
    data = file()
    whole = cut(Bytes(data), 0.0, 99.0)
    shorter = Bytes(data[:-1])
    part = cut(shorter, 0.0, 99.0)
    assert (whole.duration_s, part.duration_s) == pytest.approx((10.0, 9.0), abs=0.1)
    assert packets(made(shorter, part))["video"] == packets(data)["video"][:225]


def test_what_nothing_is_there_of_is_an_error() -> None:
    with pytest.raises(WireError, match=r"nothing is there at 3 s; what was found ends at 0 s"):
        cut(Bytes(file()[: len(header_of(file()))]), 3.0, 4.0)


def header_of(data: bytes) -> bytes:
    return data[: data.index(b"moof") - 4]


def test_a_file_of_somebody_else_is_an_error() -> None:
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(WireError):
        cut(Bytes(data.getvalue()), 0.0, 1.0)


def test_nothing_but_errors_comes_of_damage() -> None:
    chance = random.Random(7)
    data = file()
    heads = [at for at in range(len(data)) if data[at : at + 4] == b"moof"]
    for _ in range(400):
        damaged = bytearray(data[: chance.choice([len(data), chance.randrange(len(data))])])
        for _ in range(chance.randint(1, 4)):
            near = chance.choice([0, *heads])
            damaged[min(len(damaged) - 1, near + chance.randrange(600))] = chance.randrange(256)
        source = Bytes(bytes(damaged))
        try:
            part = cut(source, 2.0, 8.0)
        except WireError:
            continue
        assert len(made(source, part)) == part.size
