from __future__ import annotations

import io

import av

from loadtests.rig.counter import BLOCKS, number_of
from loadtests.rig.counting_encoder import TAIL_BYTES, Encoder
from transport.mpegts import TsDemuxer


def number_in(frame: av.VideoFrame) -> int | None:
    luma = frame.to_ndarray(format="gray")
    side = frame.width // BLOCKS
    return number_of([int(luma[side // 2, side * block + side // 2]) for block in range(BLOCKS)])


def test_every_picture_is_out_at_once_and_shows_its_number():
    encoder = Encoder(640, 360, 1500, sound=True)
    demuxer = TsDemuxer()
    everything = b""
    tails = []
    for number in range(90):
        picture, data = encoder.encode(number)
        everything += data
        assert len(data) % 188 == 0
        assert picture.number == number and picture.keyframe == (number % 60 == 0)
        assert picture.entered_at <= picture.encoded_at
        units = [unit for unit in demuxer.feed(data, 0.0) if unit.track.is_video]
        # A demultiplexer knows that a picture is whole by its length or by what follows.
        tails += [unit.data[-TAIL_BYTES:].hex() for unit in units]
        assert len(tails) >= number
        if units:
            assert tails[-1] == picture.tail or len(tails) == number
    assert len(set(tails)) == len(tails)
    with av.open(io.BytesIO(everything), format="mpegts") as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}
        shown = [number_in(frame) for frame in container.decode(video=0)]
    assert shown == list(range(90))


def test_without_sound():
    encoder = Encoder(640, 360, 1500, sound=False)
    data = b"".join(encoder.encode(number)[1] for number in range(5))
    with av.open(io.BytesIO(data), format="mpegts") as container:
        assert [stream.type for stream in container.streams] == ["video"]
