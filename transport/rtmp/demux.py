"""RTMP's audio and video messages to access units, each with the message that holds it.

`flv.py` reads what a tag says, `pictures.py` and `sound.py` what is in it. Here tags find their track and get
their time: milliseconds of 32 bits, which may begin anywhere, wrap after 50 days, and jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from transport.errors import WireError
from transport.media import AccessUnit, Codec, Track
from transport.media.programclock import TICKS_PER_S, ProgramClock
from transport.rtmp import flv
from transport.rtmp.flv import AudioTag, VideoTag
from transport.rtmp.pictures import PictureTrack
from transport.rtmp.server import Metadata, Tag
from transport.rtmp.sound import SoundTrack
from transport.rtmp.wire import MessageType

PICTURE_ID: Final = 1
SOUND_ID: Final = 2

_TICKS_PER_MS = TICKS_PER_S // 1000
_WRAP = _TICKS_PER_MS << 32
# As of the session's messages: a keyframe of 50 Mb/s material stays below this.
_MAX_TAG_BYTES = 8 << 20
# Who is told of so many will not read further; the names come from a stranger.
_MAX_UNSUPPORTED = 8
# So long what was announced may take to come.
_PATIENCE_S = 5.0

_PICTURES = {codec.value: codec for codec in (Codec.H264, Codec.H265)}
_SOUND = {
    codec.value: codec
    for codec in (Codec.AAC, Codec.OPUS, Codec.MP3, Codec.AC3, Codec.EAC3, Codec.PCMA, Codec.PCMU)
}
# As people write them; others as they are.
_NAMES = {
    **{"h263": "Sorenson H.263", "screen": "Flash screen video", "vp6": "VP6", "vp6a": "VP6 with alpha"},
    **{"vp8": "VP8", "vp9": "VP9", "av1": "AV1", "h266": "H.266", "pcm": "PCM", "adpcm": "ADPCM"},
    **{"nellymoser": "Nellymoser", "speex": "Speex", "flac": "FLAC"},
}

_AnyTag = TypeVar("_AnyTag", VideoTag, AudioTag)


@dataclass(frozen=True, slots=True)
class FlvCounters:
    """What has come so far.

    Attributes:
        tags: audio and video messages.
        malformed: tags that made no sense, and parameter sets and composition times in them.
        dropped: tags with media of which nothing was given out: before the first keyframe, without their
            configuration, of a codec that is not supported. Further tracks are not counted.
        clamped_timestamps: decoding times that went back a little, and were held.
        clock_jumps: jumps of the encoder's clock that were evened out.
    """

    tags: int = 0
    malformed: int = 0
    dropped: int = 0
    clamped_timestamps: int = 0
    clock_jumps: int = 0


class FlvDemuxer:
    """Takes tags in the order of their arrival, gives out access units; nothing is ever held back.

    One track of pictures and one of sound: of several the first whose codec can be carried. Bad input never
    raises; it is counted. Pictures have a clock of 90 kHz, sound one of its sampling rate.
    """

    def __init__(self) -> None:
        self._clock = ProgramClock(_WRAP)
        self._pictures: PictureTrack | None = None
        self._sound = SoundTrack(SOUND_ID)
        self._choices = {
            MessageType.VIDEO: _Choice("pictures", _PICTURES),
            MessageType.AUDIO: _Choice("sound", _SOUND),
        }
        self._announced: set[MessageType] = set()
        self._first_at: float | None = None
        self._now = 0.0
        self._tags = 0
        self._malformed = 0
        self._dropped = 0

    @property
    def counters(self) -> FlvCounters:
        """What was wrong so far."""
        pictures = self._pictures
        return FlvCounters(
            tags=self._tags,
            malformed=self._malformed + (pictures.malformed if pictures is not None else 0),
            dropped=self._dropped + (pictures.dropped if pictures is not None else 0),
            clamped_timestamps=self._sound.clamped + (pictures.clamped if pictures is not None else 0),
            clock_jumps=self._clock.jumps,
        )

    @property
    def tracks(self) -> tuple[Track, ...]:
        """As known so far, pictures first; () before anything is."""
        tracks: list[Track] = []
        if self._pictures is not None and not self._pictures.reason:
            tracks.append(self._pictures.track)
        if self._sound.track is not None and not self._sound.reason:
            tracks.append(self._sound.track)
        return tuple(tracks)

    def warnings(self) -> tuple[str, ...]:
        """What of the material cannot be used, as sentences."""
        found = [warning for choice in self._choices.values() for warning in choice.warnings()]
        if self._pictures is not None and self._pictures.reason:
            found.append(self._pictures.reason)
        if self._sound.reason:
            found.append(self._sound.reason)
        if self._first_at is not None and self._now - self._first_at >= _PATIENCE_S:
            found += [
                f"the encoder announces {choice.what} and sends none"
                for kind, choice in self._choices.items()
                if kind in self._announced and not choice.seen
            ]
        return tuple(found)

    def describe(self, metadata: Metadata) -> None:
        """Take what the encoder says about its tracks; only what it promises and does not send is told of."""
        for kind, name in ((MessageType.VIDEO, "videocodecid"), (MessageType.AUDIO, "audiocodecid")):
            if metadata.values.get(name):
                self._announced.add(kind)
            else:
                self._announced.discard(kind)

    def take(self, tag: Tag, now: float) -> list[AccessUnit]:
        """Take one message.

        Args:
            tag: from the session.
            now: time.monotonic() of its arrival, seconds.

        Returns:
            Its units, mostly one: none of a configuration, several where frames of sound share a tag.
        """
        self._tags += 1
        self._now = now
        if self._first_at is None:
            self._first_at = now
        try:
            if len(tag.body) > _MAX_TAG_BYTES:
                raise WireError(f"flv: tag of {len(tag.body)} bytes")
            if tag.kind is MessageType.VIDEO:
                return self._take_picture(tag, now)
            return self._take_sound(tag, now)
        except WireError:
            self._malformed += 1
            return []

    def _take_picture(self, tag: Tag, now: float) -> list[AccessUnit]:
        found = self._choose(tag.kind, flv.parse_video_tracks(tag.body))
        if found is None:
            return []
        codec = _PICTURES[found.codec]
        pictures = self._pictures
        if pictures is None:
            pictures = self._pictures = PictureTrack(PICTURE_ID, codec)
        if found.is_header:
            pictures.configure(codec, found.data)
            return []
        if codec is not pictures.codec:
            self._dropped += 1
            return []
        nals = pictures.split(found.data)
        if not nals:
            return []
        dts = self._clock.place(tag.timestamp * _TICKS_PER_MS, now, pictures.last)
        unit = pictures.unit(nals, dts, found.delay_ms, now, keyframe=found.keyframe)
        return [] if unit is None else [unit]

    def _take_sound(self, tag: Tag, now: float) -> list[AccessUnit]:
        found = self._choose(tag.kind, flv.parse_audio_tracks(tag.body))
        if found is None:
            return []
        codec = _SOUND[found.codec]
        if found.is_header:
            self._sound.configure(codec, found.data)
            return []
        frames = self._sound.split(codec, found.data, found.channels)
        if not frames:
            self._dropped += 1
            return []
        at = self._clock.place(tag.timestamp * _TICKS_PER_MS, now, self._sound.last)
        return self._sound.units(frames, at, now)

    def _choose(self, kind: MessageType, tags: Sequence[_AnyTag]) -> _AnyTag | None:
        """What a message has for the track that is taken, other than its end."""
        tags = [tag for tag in tags if not tag.is_other and not tag.is_end]
        choice = self._choices[kind]
        index = choice.index([(tag.track_id, tag.codec) for tag in tags])
        if index is not None:
            return tags[index]
        self._dropped += any(tag.codec not in choice.codecs for tag in tags)
        return None


class _Choice:
    """Which of the tracks of one kind is taken.

    Args:
        what: "pictures" or "sound".
        codecs: those that can be carried, by their name in tags.

    Attributes:
        seen: anything of this kind has come.
    """

    def __init__(self, what: str, codecs: dict[str, Codec]) -> None:
        self.what = what
        self.codecs = codecs
        self.seen = False
        self._track_id: int | None = None
        self._several = False
        self._unsupported: dict[str, None] = {}

    def index(self, tracks: Sequence[tuple[int, str]]) -> int | None:
        """Which of a message's tracks, as (id, codec); None for none of them."""
        found = None
        for index, (track_id, codec) in enumerate(tracks):
            self.seen = True
            if codec not in self.codecs:
                if len(self._unsupported) < _MAX_UNSUPPORTED:
                    self._unsupported[codec] = None
            elif self._track_id in (None, track_id):
                self._track_id, found = track_id, index
            else:
                self._several = True
        return found

    def warnings(self) -> list[str]:
        """What cannot be used, as sentences."""
        verb = "are" if self.what == "pictures" else "is"
        found = [f"{_NAMES.get(c, c)} {self.what} {verb} not supported" for c in self._unsupported]
        if self._several:
            found.append(f"the stream has several tracks of {self.what}, only the first is used")
        return found
