"""One stream as one RTSP client gets it: its description, and its packets."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator

from streamer.hub.intake import Intake
from streamer.hub.stream import Stream
from transport.media import AccessUnit, Track
from transport.rtp.rtcp import ntp_time
from transport.rtp.sending import RtpSender
from transport.rtsp import sdp
from transport.rtsp.formats import Format, Undescribed, format_of

#: Datagrams of 1500 bytes have room for it, in a tunnel too.
_MAX_PAYLOAD_BYTES = 1400
_FIRST_DYNAMIC_TYPE = 96


class CodedOtherwise(Exception):
    """What comes is not what was described; who reads has to ask anew."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """The picture, or the sound."""

    number: int
    format: Format
    sender: RtpSender


class Programme:
    """What was described to a client, and the packets of it.

    Args:
        stream: whose.
        intake: where its units come from.

    Attributes:
        description: SDP.
    """

    def __init__(self, stream: Stream, intake: Intake) -> None:
        self._epoch_s = stream.epoch_s
        self._cname = secrets.token_hex(8)
        self._parts: dict[bool, _Part] = {}
        self._checked: dict[bool, Track] = {}
        for track in _carried(intake):
            number = len(self._parts)
            with contextlib.suppress(Undescribed):
                described = format_of(track, _FIRST_DYNAMIC_TYPE + number)
                self._parts[track.is_video] = _Part(number, described, _sender(described))
        formats = [("video" if is_video else "audio", part.format) for is_video, part in self._parts.items()]
        self.description = sdp.serialize(stream.name, formats, session_id=secrets.randbits(62))

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """Of the tracks, in the description's order."""
        return tuple(part.sender.ssrc for part in self._parts.values())

    @property
    def has_picture(self) -> bool:
        """Whether there is one among the tracks."""
        return True in self._parts

    def number_of(self, unit: AccessUnit) -> int | None:
        """Which track a unit belongs to; None where none was described."""
        part = self._parts.get(unit.track.is_video)
        return part.number if part is not None else None

    def packets(self, unit: AccessUnit) -> list[bytes]:
        """Of a unit that belongs to one of the tracks.

        Raises:
            CodedOtherwise: it is coded otherwise than was described.
        """
        part = self._parts[unit.track.is_video]
        if self._checked.get(unit.track.is_video) is not unit.track:
            self._check(part, unit.track)
            self._checked[unit.track.is_video] = unit.track
        return part.sender.send(unit)

    def reports(self, seconds: float) -> Iterator[tuple[int, bytes]]:
        """Track and sender report for each, of a moment of the stream's time."""
        ntp = ntp_time(self._epoch_s + seconds)
        for part in self._parts.values():
            yield part.number, part.sender.report(ntp, seconds, self._cname)

    def goodbyes(self, seconds: float) -> Iterator[tuple[int, bytes]]:
        """Track and the last report for each."""
        ntp = ntp_time(self._epoch_s + seconds)
        for part in self._parts.values():
            yield part.number, part.sender.goodbye(ntp, seconds, self._cname)

    @property
    def counts(self) -> tuple[int, int]:
        """Packets and bytes of payload that were made."""
        senders = [part.sender for part in self._parts.values()]
        return sum(sender.packets for sender in senders), sum(sender.octets for sender in senders)

    @staticmethod
    def _check(part: _Part, track: Track) -> None:
        try:
            found = format_of(track, part.format.payload_type)
        except Undescribed:
            return
        said = part.format
        if track.is_video:  # its parameters travel in it
            found = dataclasses.replace(found, parameters=said.parameters)
        if found != said:
            kind = "picture" if track.is_video else "sound"
            raise CodedOtherwise(f"the {kind} is coded otherwise now: {found.name}, and it was {said.name}")


def _sender(described: Format) -> RtpSender:
    return RtpSender(
        described.payload_type,
        described.clock_rate,
        ssrc=secrets.randbits(32),
        seq=secrets.randbits(16),
        offset=secrets.randbits(32),
        max_payload_bytes=_MAX_PAYLOAD_BYTES,
    )


def _carried(intake: Intake) -> Iterator[Track]:
    """What an intake brings, as it is sent."""
    for track, codec in ((intake.video, intake.video_codec), (intake.audio, intake.audio_codec)):
        if track is None or codec is None or (track.is_video and intake.refusal):
            continue
        is_made = codec is not track.codec
        made = dataclasses.replace(track, codec=codec, parameter_sets=(), profile="") if is_made else track
        yield made
