from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from transport.errors import WireError
from transport.media.still import Still, make_still
from transport.media.unit import Codec


def decoded(still: Still, count: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    name = "h264" if still.track.codec is Codec.H264 else "hevc"
    context = VideoCodecContext.create(name, "r")
    frames = []
    for number in range(count):
        frames += context.decode(av.Packet(still.unit(number, number * still.interval_s, 0.0).data))
    frames += context.decode(None)
    return [frame.to_ndarray(format="rgb24") for frame in frames]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_it_can_be_repeated_for_ever(codec: Codec) -> None:
    still = make_still(codec, 161, 91, 10.0)
    assert (still.track.codec, still.track.width, still.track.height) == (codec, 160, 90)
    assert len(still.pictures) == 20
    assert [still.unit(number, 0.0, 0.0).keyframe for number in (0, 1, 19, 20)] == [True, False, False, True]
    pictures = decoded(still, 45)
    assert len(pictures) == 45
    assert pictures[0].shape == (90, 160, 3)
    assert np.abs(pictures[44].astype(int) - pictures[4]).mean() < 1


def _png(path: Path, width: int, height: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 200, dtype=np.uint8), format="rgb24")
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "rgb24"
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_an_image_is_scaled_to_fit(tmp_path: Path) -> None:
    _png(tmp_path / "wide.png", 200, 50)
    still = make_still(Codec.H264, 160, 90, 5.0, tmp_path / "wide.png")
    picture = decoded(still, 1)[0]
    assert picture[45, 80].mean() == pytest.approx(200, abs=6)
    assert picture[5, 80].mean() < 10


@pytest.mark.parametrize("size", [(0, 0), (8, 8), (10_000, 100)])
def test_a_size_that_is_none(size: tuple[int, int]) -> None:
    with pytest.raises(WireError, match="cannot be made"):
        make_still(Codec.H264, *size, 25.0)


def test_an_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "not.png").write_bytes(b"nothing")
    for path in (tmp_path / "not.png", tmp_path / "missing.png"):
        with pytest.raises(WireError, match="cannot be read"):
            make_still(Codec.H264, 160, 90, 5.0, path)
    with pytest.raises(ValueError, match="not a picture"):
        make_still(Codec.AAC, 160, 90, 5.0)
