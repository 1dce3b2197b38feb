"""What ffmpeg pushes over RTMP becomes the units that libav finds in the same tags."""

from __future__ import annotations

import asyncio
import io
import itertools

import av

from tests.transport.rtmp.flvfile import MS, demuxed
from tests.transport.rtmp.ingest import Ingest

_PICTURES = 60


async def test_ffmpeg() -> None:
    ingest = await Ingest().start()
    try:
        encoder = await asyncio.create_subprocess_exec(
            *("ffmpeg", "-v", "error", "-nostdin"),
            *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30"),
            *("-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", str(_PICTURES / 30)),
            *("-c:v", "libx264", "-threads", "1", "-g", "30", "-c:a", "aac"),
            *("-f", "flv", f"rtmp://127.0.0.1:{ingest.port}/live/key"),
        )
        assert await encoder.wait() == 0
        await ingest.until(lambda: ingest.ends)
    finally:
        await ingest.stop()
    demuxer, pictures, sounds = demuxed([*ingest.metadata, *ingest.tags])
    with av.open(io.BytesIO(ingest.file())) as container:
        shown, heard = [], []
        for packet in container.demux():
            if packet.size and packet.stream.type == "video":
                shown.append(((packet.pts or 0) * MS, (packet.dts or 0) * MS, packet.is_keyframe))
            elif packet.size:
                heard.append(bytes(packet))
    assert len(shown) == _PICTURES
    assert [(unit.pts, unit.dts, unit.keyframe) for unit in pictures] == shown
    assert [unit.data for unit in sounds] == heard
    assert {b.pts - a.pts for a, b in itertools.pairwise(sounds)} == {1024}
    assert demuxer.tracks == (pictures[-1].track, sounds[-1].track)
    assert demuxer.warnings() == ()
    counters = demuxer.counters
    assert counters.dropped == counters.malformed == counters.clock_jumps == 0
