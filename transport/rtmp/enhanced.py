"""Enhanced RTMP: what stands between the first byte of a tag and its data (Veovera, versions 1 and 2).

A tag is for one track or for several. Its first byte belongs to `flv.py`, and so does what the data is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from transport.errors import WireError

SEQUENCE_START: Final = 0
CODED_FRAMES: Final = 1
SEQUENCE_END: Final = 2
#: Of pictures: as CODED_FRAMES, and shown when decoded.
CODED_FRAMES_X: Final = 3
#: What says that a tag is for one or several numbered tracks.
VIDEO_MULTITRACK: Final = 6
AUDIO_MULTITRACK: Final = 5

_MOD_EX = 7
_ONE_TRACK, _MANY_TRACKS, _MANY_TRACKS_MANY_CODECS = 0, 1, 2
# Only one is defined; who sends more than a few wants us to count them.
_MAX_MODIFIERS = 8


@dataclass(frozen=True, slots=True)
class Part:
    """What a tag has for one track.

    Attributes:
        packet_type: SEQUENCE_START and so on.
        four_cc: of the codec.
        track_id: 0 where tracks are not numbered.
        data: configuration or coded frame; for some codecs behind a composition time.
    """

    packet_type: int
    four_cc: bytes
    track_id: int
    data: bytes = field(repr=False)


def parse_parts(body: bytes, multitrack: int) -> list[Part]:
    """Take an extended tag apart; one part at least.

    Nanoseconds to be added to the timestamp, the only modifier there is, are passed over: sound finds what is
    finer than a millisecond from its samples, and pictures do without.

    Args:
        body: from the tag's first byte, whose lowest four bits are the packet type.
        multitrack: VIDEO_MULTITRACK or AUDIO_MULTITRACK.

    Raises:
        WireError: truncated, or made up of more than anybody sends.
    """
    packet_type, at = _pull(body, 0, 1)[0] & 15, 1
    modifiers = 0
    while packet_type == _MOD_EX:
        modifiers += 1
        if modifiers > _MAX_MODIFIERS:
            raise WireError(f"flv: more than {_MAX_MODIFIERS} modifiers of a tag")
        size, at = _pull(body, at, 1)[0] + 1, at + 1
        if size == 256:
            size, at = int.from_bytes(_pull(body, at, 2), "big") + 1, at + 2
        at += size
        packet_type, at = _pull(body, at, 1)[0] & 15, at + 1
    if packet_type != multitrack:
        return [Part(packet_type, _pull(body, at, 4), 0, body[at + 4 :])]
    kind, packet_type = divmod(_pull(body, at, 1)[0], 16)
    return _parse_tracks(body, at + 1, kind, packet_type)


def _parse_tracks(body: bytes, at: int, kind: int, packet_type: int) -> list[Part]:
    if kind > _MANY_TRACKS_MANY_CODECS or packet_type == _MOD_EX:
        raise WireError(f"flv: several tracks in way {kind}, packet type {packet_type}")
    four_cc = b""
    if kind != _MANY_TRACKS_MANY_CODECS:
        four_cc, at = _pull(body, at, 4), at + 4
    parts: dict[int, Part] = {}
    while True:
        if kind == _MANY_TRACKS_MANY_CODECS:
            four_cc, at = _pull(body, at, 4), at + 4
        track_id, at = _pull(body, at, 1)[0], at + 1
        size = len(body) - at
        if kind != _ONE_TRACK:
            size, at = int.from_bytes(_pull(body, at, 3), "big"), at + 3
        if track_id in parts:
            raise WireError(f"flv: track {track_id} twice in a tag")
        parts[track_id] = Part(packet_type, four_cc, track_id, _pull(body, at, size))
        at += size
        if at >= len(body):
            return list(parts.values())


def _pull(body: bytes, at: int, size: int) -> bytes:
    found = body[at : at + size]
    if len(found) < size:
        raise WireError(f"flv: an extended tag of {len(body)} bytes ends inside its header")
    return found
