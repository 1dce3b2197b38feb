"""Tags for tests: out of FLV files that libav writes, and one by one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache

import av
import numpy as np

from tests.transport.media.sources import picture, picture_units, tone
from transport.media import AccessUnit, Codec
from transport.rtmp import amf0, flv
from transport.rtmp.demux import FlvDemuxer
from transport.rtmp.server import Metadata, Tag
from transport.rtmp.wire import MessageType

MS = 90
AAC_HEADER = b"\xaf\x00\x11\x90"  # 48 kHz, stereo

_HEADER_BYTES, _TAG_HEADER_BYTES, _SIZE_BYTES = 13, 11, 4


@cache
def flv_file(
    video: str = "libx264",
    audio: str = "",
    *,
    seconds: int = 2,
    rate: int = 48_000,
    layout: str = "stereo",
    options: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """Pictures at 25 a second, a keyframe each second, and a tone.

    Args:
        video: libav's name of an encoder, as `audio`; "" for none.
        seconds: how long.
        rate: of the sound.
        layout: of the sound.
        options: of the picture encoder.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="flv") as container:
        pictures = container.add_stream(video, rate=25) if video else None
        sound = container.add_stream(audio, rate=rate, layout=layout) if audio else None
        if pictures is not None:
            assert isinstance(pictures, av.VideoStream)
            pictures.width, pictures.height, pictures.pix_fmt = 320, 240, "yuv420p"
            pictures.gop_size = 25
            pictures.thread_count = 1
            pictures.options = {"preset": "ultrafast", **dict(options)}
            if video == "libx265":
                pictures.options["x265-params"] = "log-level=none:pools=none:bframes=3:keyint=25"
        for index in range(25 * seconds):
            if pictures is not None:
                shown = picture(index, 320, 240)
                shown.pts, shown.time_base = index, Fraction(1, 25)
                container.mux(pictures.encode(shown))
            if sound is not None:
                assert isinstance(sound, av.AudioStream)
                samples = tone(1 / 25, rate, channels=len(sound.layout.channels))
                packed = np.ascontiguousarray((samples * 32767).astype(np.int16).T).reshape(1, -1)
                heard = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
                heard.sample_rate, heard.pts = rate, index * rate // 25
                container.mux(sound.encode(heard))
        for stream in (pictures, sound):
            if stream is not None:
                container.mux(stream.encode(None))
    return file.getvalue()


def tags_of(file: bytes) -> list[Tag | Metadata]:
    """What an FLV file has in it (Adobe, annex E.3 and E.4)."""
    return list(_tags(file))


def _tags(file: bytes) -> Iterator[Tag | Metadata]:
    at = _HEADER_BYTES
    while at < len(file):
        size = int.from_bytes(file[at + 1 : at + 4], "big")
        timestamp = int.from_bytes(file[at + 4 : at + 7], "big") | file[at + 7] << 24
        body = file[at + _TAG_HEADER_BYTES : at + _TAG_HEADER_BYTES + size]
        if file[at] in (MessageType.AUDIO, MessageType.VIDEO):
            yield Tag(MessageType(file[at]), timestamp, body)
        else:
            values = amf0.parse(body)[1]
            assert isinstance(values, dict)
            yield Metadata(values)
        at += _TAG_HEADER_BYTES + size + _SIZE_BYTES


def video(body: bytes, timestamp: int = 0) -> Tag:
    return Tag(MessageType.VIDEO, timestamp & 0xFFFFFFFF, body)


def audio(body: bytes, timestamp: int = 0) -> Tag:
    return Tag(MessageType.AUDIO, timestamp & 0xFFFFFFFF, body)


def demuxed(
    tags: Iterable[Tag | Metadata], demuxer: FlvDemuxer | None = None
) -> tuple[FlvDemuxer, list[AccessUnit], list[AccessUnit]]:
    """Everything in real time; the demultiplexer, pictures and sound."""
    demuxer = demuxer or FlvDemuxer()
    units: list[AccessUnit] = []
    for tag in tags:
        if isinstance(tag, Metadata):
            demuxer.describe(tag)
        else:
            units += demuxer.take(tag, tag.timestamp / 1000)
    return demuxer, [u for u in units if u.track.is_video], [u for u in units if not u.track.is_video]


def pictures(count: int, codec: Codec = Codec.H264, *, start_ms: int = 0) -> list[Tag]:
    """Configuration and pictures without reordering, 40 ms apart, by our own writer."""
    units = picture_units(codec, count, options={"tune": "zerolatency"} if codec is Codec.H264 else {})
    header = flv.sequence_header(units[0].track)
    assert header is not None
    tags = [video(header, start_ms)]
    for index, unit in enumerate(units):
        tags.append(video(flv.tag_body(replace(unit, pts=unit.dts)), start_ms + 40 * index))
    return tags


def aac(*timestamps: int) -> list[Tag]:
    return [audio(b"\xaf\x01snd", timestamp) for timestamp in timestamps]
