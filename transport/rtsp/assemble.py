"""From what libav's RTP receiver hands out to access units.

libav gives the payload of one RTP packet at a time: a fragment of a NAL unit, or several NAL units, behind a
start code where a NAL unit begins; of sound, one or several frames. The marker bit, which ends a picture
(RFC 6184 section 5.1), is not among what it tells.
"""

from __future__ import annotations

from dataclasses import replace

from transport.errors import WireError
from transport.media import ac3, mpegaudio
from transport.media.aac import FRAME_SAMPLES
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.decodingclock import DecodingClock
from transport.media.jpeg import parse_size
from transport.media.opus import packet_samples
from transport.media.unit import AccessUnit, Codec, Track
from transport.media.video import VideoNormalizer
from transport.rtsp.forecast import EndForecast

_START_CODE = b"\x00\x00\x00\x01"

#: No picture of a camera is larger; more means that its timestamps stand still.
_MAX_PICTURE_BYTES = 16 * 1024 * 1024
#: Of samples without frames; G.722 and G.726 have one.
_MOST_CHANNELS = {Codec.PCMA: 2, Codec.PCMU: 2, Codec.L16: 2}
#: No camera sends more pictures in a second; timestamps that are closer are one picture's.
_MAX_PICTURES_PER_S = 500


class PictureAssembler:
    """Puts the pieces of a picture together: all that carry the same timestamp, or nearly.

    Of a camera with sound libav reckons timestamps from the latest report (RTCP) of the camera's own clock.
    One in the middle of a picture moves the pieces behind it by what the two clocks differ.

    A picture is known to be complete when a piece with another timestamp comes, one picture interval later,
    or at once when `EndForecast` trusts itself.

    Attributes:
        normalizer: what makes units and knows the track.
        reason: "": pictures that are described are carried.
        malformed: pictures given up because they grew beyond all bounds.
    """

    def __init__(self, track_id: int, codec: Codec, clock_rate: int) -> None:
        self.normalizer = VideoNormalizer(track_id, codec, clock_rate)
        self.reason = ""
        self.malformed = 0
        self.forecast = EndForecast(codec)
        self._clock = DecodingClock(clock_rate)
        self._apart = clock_rate // _MAX_PICTURES_PER_S
        self._pieces: list[bytes] = []
        self._latest = b""
        self._latest_pts: int | None = None
        self._bytes = 0
        self._pts: int | None = None
        self._received_at = 0.0
        self._complete = False

    def push(self, piece: bytes, pts: int | None, received_at: float) -> list[AccessUnit]:
        """Take one piece.

        Args:
            piece: payload, with a start code where a NAL unit begins.
            pts: of the picture it belongs to, None where it is that of the piece before.
            received_at: time.monotonic() of its arrival.

        Returns:
            No unit or one; two when the forecast ends a picture right after another.
        """
        units: list[AccessUnit] = []
        if pts is not None and (self._pts is None or abs(pts - self._pts) >= self._apart):
            units += self.flush()
            self._pts = pts
        if self._pts is None or not piece:
            return units
        if self._latest == piece and pts == self._latest_pts:
            return units  # the network doubled a packet; of those libav drops only older ones
        self._latest, self._latest_pts = piece, pts
        begins = piece.startswith(_START_CODE)
        ends = self.forecast.observe(piece, begins_nal=begins)
        if self._complete:
            return units  # the forecast was wrong; the picture has left without this piece
        if not begins and not self._pieces:
            return units  # its beginning was lost
        self._pieces.append(piece)
        self._bytes += len(piece)
        self._received_at = received_at
        if self._bytes > _MAX_PICTURE_BYTES:
            self.malformed += 1
            self._pieces.clear()
            self._bytes = 0
        elif ends:
            units += self._emit()
            self._complete = True
        return units

    def flush(self) -> list[AccessUnit]:
        """Take the picture that is there as complete."""
        self.forecast.picture_ended()
        units = self._emit()
        self._complete = False
        return units

    def _emit(self) -> list[AccessUnit]:
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        if not data or self._pts is None:
            return []
        depth = self.normalizer.picture.max_reorder
        unit = self.normalizer.unit(data, self._pts, self._clock.dts(self._pts, depth), self._received_at)
        return [] if unit is None else [unit]


class JpegAssembler:
    """Makes units of pictures that libav hands out whole (RFC 2435).

    Attributes:
        track: with the size of the latest picture.
        reason: why they cannot be carried, in words; "" while they are.
        malformed: what was no picture.
    """

    def __init__(self, track_id: int, clock_rate: int) -> None:
        self.track = Track(track_id, Codec.MJPEG, clock_rate)
        self.reason = ""
        self.malformed = 0
        self._clock = DecodingClock(clock_rate)

    def push(self, packet: bytes, pts: int | None, received_at: float) -> list[AccessUnit]:
        """Take one picture; a unit comes out at once.

        Args:
            packet: a whole JPEG.
            pts: its time; without one it is left out.
            received_at: time.monotonic() of its arrival.
        """
        try:
            width, height = parse_size(packet)
        except WireError:
            self.malformed += 1
            return []
        if not width or not height:
            # RTP has one byte for either, in units of 8 pixels (RFC 2435 section 3.1.5).
            self.reason = "MJPEG of more than 2040 pixels, whose size RTP does not tell, is not supported"
            return []
        if pts is None or len(packet) > _MAX_PICTURE_BYTES:
            self.malformed += 1
            return []
        self.reason = ""
        if (width, height) != (self.track.width, self.track.height):
            self.track = replace(self.track, width=width, height=height)
        at = self._clock.dts(pts, 0)
        return [AccessUnit(self.track, at, at, packet, keyframe=True, received_at=received_at)]

    def flush(self) -> list[AccessUnit]:
        """Nothing is ever held back."""
        return []


class SoundAssembler:
    """Makes units of sound, splits packets that hold several frames, and times those without a timestamp.

    Attributes:
        track: as described by the camera, corrected by the frames.
        reason: why it cannot be carried, in words; "" while it is.
        malformed: packets that could not be split.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self.reason = ""
        self.malformed = 0
        self._next_pts: int | None = None
        self._last_known: int | None = None
        self._frames_since = 0
        self._ticks = _first_guess(track)

    def push(self, packet: bytes, pts: int | None, received_at: float) -> list[AccessUnit]:
        """Take one packet; units come out at once.

        Args:
            packet: one or several frames.
            pts: of the first of them, None where libav cut several out of one RTP packet.
            received_at: time.monotonic() of its arrival.
        """
        if pts is not None:
            self._measure(pts)
            self._next_pts = pts
        if self._next_pts is None:
            return []
        units = []
        for frame in self._split(packet):
            at = self._next_pts
            units.append(AccessUnit(self.track, at, at, frame, keyframe=True, received_at=received_at))
            self._next_pts = at + self._ticks
            self._frames_since += 1
        return units

    def flush(self) -> list[AccessUnit]:
        """Nothing is ever held back."""
        return []

    def _measure(self, pts: int) -> None:
        """Learn a frame's length from timestamps: an AAC clock may count core or output samples."""
        if self.track.codec is Codec.AAC and self._last_known is not None and self._frames_since:
            ticks, rest = divmod(pts - self._last_known, self._frames_since)
            if rest == 0 and self._ticks // 2 <= ticks <= self._ticks * 2:
                self._ticks = ticks
        self._last_known = pts
        self._frames_since = 0

    def _split(self, packet: bytes) -> list[bytes]:
        try:
            if self.track.codec is Codec.OPUS:
                self._ticks = packet_samples(packet) * self.track.clock_rate // 48_000
                return [packet]
            if self.track.codec is Codec.AAC:
                return [packet] if packet else []
            if self.track.codec.is_sampled:
                return self._whole_samples(packet)
            return self._split_by_headers(packet)
        except (WireError, UnsupportedAudio) as error:
            self.malformed += 1
            if isinstance(error, UnsupportedAudio):
                self.reason = f"{error} is not supported"
            return []

    def _whole_samples(self, packet: bytes) -> list[bytes]:
        track = self.track
        if not 1 <= track.channels <= _MOST_CHANNELS.get(track.codec, 1) or not track.sample_rate:
            raise UnsupportedAudio(f"sound in {track.codec} of {track.channels} channels")
        if not track.sample_bits:
            raise UnsupportedAudio(f"sound in {track.codec} of an unknown rate")
        bits = track.sample_bits * track.channels
        count = 8 * len(packet) // bits
        if not count:
            raise WireError(f"rtsp: {len(packet)} bytes are no sample of {track.channels} channels")
        self._ticks = count * track.clock_rate // track.sample_rate
        return [packet[: (count * bits + 7) // 8]]

    def _split_by_headers(self, packet: bytes) -> list[bytes]:
        parser = mpegaudio if self.track.codec in (Codec.MP2, Codec.MP3) else ac3
        frames = []
        position = 0
        while position + parser.HEADER_BYTES <= len(packet):
            header = parser.parse_header(packet, position)
            end = position + header.frame_bytes
            if end > len(packet):
                raise WireError(f"rtsp: a frame of {header.frame_bytes} bytes does not fit its packet")
            frames.append(packet[position:end])
            self._ticks = header.samples * self.track.clock_rate // header.sample_rate
            self._describe(header)
            position = end
        self.reason = ""
        return frames

    def _describe(self, header: AudioHeader) -> None:
        track = self.track
        said = (header.codec or track.codec, header.sample_rate, header.channels)
        if said != (track.codec, track.sample_rate, track.channels):
            self.track = replace(track, codec=said[0], sample_rate=said[1], channels=said[2])


def _first_guess(track: Track) -> int:
    samples = {Codec.AAC: FRAME_SAMPLES, Codec.MP2: 1152, Codec.MP3: 1152, Codec.AC3: 1536, Codec.OPUS: 960}
    return samples.get(track.codec, 0) * track.clock_rate // (track.sample_rate or track.clock_rate)
