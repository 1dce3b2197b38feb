"""What players are told: what a stream is, and what of it there is now (RFC 8216; for parts 8216bis)."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence

from streamer.egress.hls.window import Segment, Window
from transport.cmaf import codec_string
from transport.media import Track

CONTENT_TYPE = "application/vnd.apple.mpegurl"
#: EXT-X-MAP outside of a playlist of keyframes needs it.
_VERSION = 6
#: A player of low latency keeps so many parts behind the end; three at least (section 4.4.3.8).
_PARTS_BEHIND = 3
#: Segments before the end whose parts are named: who is further behind takes whole ones.
_SEGMENTS_WITH_PARTS = 2
#: Where the bit rate is not known yet; with one variant nobody chooses by it.
_SOME_BPS = 2_500_000


def multivariant(
    tracks: Sequence[Track], bits_per_s: int, frame_rate: float, size: tuple[int, int], uri: str
) -> str:
    """The first playlist: one variant, and what is in it.

    Args:
        tracks: as `transport.cmaf.header` was given them.
        bits_per_s: peak; 0 while unknown.
        frame_rate: 0 while unknown.
        size: width and height as shown, pixels; 0 without a picture.
        uri: of the variant's playlist.
    """
    codecs = ",".join(codec_string(track) for track in tracks)
    told = [f"BANDWIDTH={bits_per_s or _SOME_BPS}", f'CODECS="{codecs}"']
    if all(size):
        told.append(f"RESOLUTION={size[0]}x{size[1]}")
    if frame_rate:
        told.append(f"FRAME-RATE={frame_rate:.3f}")
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", f"#EXT-X-STREAM-INF:{','.join(told)}", uri]
    return "\n".join(lines) + "\n"


def media(window: Window, *, name: str, part_s: float, segment_s: float, query: str = "") -> str:
    """The variant's playlist as it is now.

    Args:
        window: what there is.
        name: what the names of all files begin with.
        part_s: parts are meant to be so long.
        segment_s: and segments.
        query: appended to each URI.
    """
    segments = window.listed
    first = segments[0] if segments else window.current
    target_s = max(1, math.ceil(segment_s), round(window.longest_segment_s))
    part_target_s = max(part_s, window.longest_part_s)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{_VERSION}", f"#EXT-X-TARGETDURATION:{target_s}"]
    if not window.is_over:
        lines += [
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,"
            f"PART-HOLD-BACK={_PARTS_BEHIND * part_target_s:.3f},HOLD-BACK={3 * target_s}",
            f"#EXT-X-PART-INF:PART-TARGET={part_target_s:.5f}",
        ]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{first.number if first is not None else 0}")
    if window.breaks_gone:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{window.breaks_gone}")
    current = window.current
    shown = [*segments, *([current] if current is not None else [])]
    if all(segment.independent for segment in segments):
        lines.append("#EXT-X-INDEPENDENT-SEGMENTS")
    header: int | None = None
    for at, segment in enumerate(shown):
        if segment.breaks:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.header != header:
            header = segment.header
            lines.append(f'#EXT-X-MAP:URI="{header_name(name, header)}{query}"')
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{_date(segment.begins_at)}")
        if not window.is_over and at >= len(shown) - 1 - _SEGMENTS_WITH_PARTS:
            lines += _parts(segment, name, query)
        if segment is not current:
            lines += [f"#EXTINF:{segment.duration_s:.5f},", f"{segment_name(name, segment.number)}{query}"]
    if window.is_over:
        lines.append("#EXT-X-ENDLIST")
    elif current is not None:
        hinted = part_name(name, current.number, len(current.parts))
        lines.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="{hinted}{query}"')
    return "\n".join(lines) + "\n"


def header_name(name: str, number: int) -> str:
    """File name of a header."""
    return f"{name}-header-{number}.mp4"


def segment_name(name: str, number: int) -> str:
    """File name of a segment."""
    return f"{name}-{number}.m4s"


def part_name(name: str, number: int, part: int) -> str:
    """File name of a part of a segment."""
    return f"{name}-{number}.{part}.m4s"


def _parts(segment: Segment, name: str, query: str) -> list[str]:
    return [
        f'#EXT-X-PART:DURATION={part.duration_s:.5f},URI="{part_name(name, segment.number, at)}{query}"'
        + (",INDEPENDENT=YES" if part.independent else "")
        for at, part in enumerate(segment.parts)
    ]


def _date(at: float) -> str:
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
