"""One stream as RTSP clients get it: its description, and its packets."""

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
from transport.rtsp.batch import Batch, Portion
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
    """What is described to clients, and the packets of it, the same for all of them.

    Args:
        stream: whose.
        intake: where its units come from.
    """

    def __init__(self, stream: Stream, intake: Intake) -> None:
        self._name = stream.name
        self._epoch_s = stream.epoch_s
        self._session_id = secrets.randbits(62)
        self._cname = secrets.token_hex(8)
        self._checked: dict[bool, Track] = {}
        self._parts = {
            is_video: _Part(number, described, _sender(described))
            for number, (is_video, described) in enumerate(_formats(intake).items())
        }

    def describe(self, intake: Intake) -> bytes | None:
        """SDP of what comes now; None where that is something else than the packets are of."""
        formats = _formats(intake)
        said = {is_video: part.format for is_video, part in self._parts.items()}
        if _essence(formats) != _essence(said):
            return None
        kinds = [("video" if is_video else "audio", found) for is_video, found in formats.items()]
        return sdp.serialize(self._name, kinds, session_id=self._session_id)

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """Of the tracks, in the description's order."""
        return tuple(part.sender.ssrc for part in self._parts.values())

    @property
    def picture(self) -> int | None:
        """The number of the picture among the tracks; None where there is none."""
        return self._parts[True].number if True in self._parts else None

    def number_of(self, unit: AccessUnit) -> int | None:
        """Which track a unit belongs to; None where none was described."""
        part = self._parts.get(unit.track.is_video)
        return part.number if part is not None else None

    def packets(self, unit: AccessUnit) -> Portion:
        """Of a unit that belongs to one of the tracks.

        Raises:
            CodedOtherwise: it is coded otherwise than was described.
        """
        part = self._parts[unit.track.is_video]
        if self._checked.get(unit.track.is_video) is not unit.track:
            self._check(part, unit.track)
            self._checked[unit.track.is_video] = unit.track
        return Portion(part.number, unit.dts_s, part.sender.send(unit))

    def reports(self, seconds: float) -> list[Portion]:
        """Sender reports for all tracks, of a moment of the stream's time."""
        ntp = ntp_time(self._epoch_s + seconds)
        return [
            Portion(part.number, seconds, [part.sender.report(ntp, seconds, self._cname)], is_rtcp=True)
            for part in self._parts.values()
        ]

    def goodbyes(self, seconds: float) -> list[Portion]:
        """The last reports."""
        ntp = ntp_time(self._epoch_s + seconds)
        return [
            Portion(part.number, seconds, [part.sender.goodbye(ntp, seconds, self._cname)], is_rtcp=True)
            for part in self._parts.values()
        ]

    def firsts(self, batches: list[Batch]) -> dict[int, tuple[int, int]]:
        """Where somebody begins who gets these: sequence numbers, and the timestamps of where they begin."""
        media = [portion for batch in batches for portion in batch.portions if not portion.is_rtcp]
        if not media:
            return {}
        senders = {part.number: part.sender for part in self._parts.values()}
        found: dict[int, tuple[int, int]] = {}
        for number, sender in senders.items():
            packets = next((each.packets for each in media if each.track == number and each.packets), None)
            seq = int.from_bytes(packets[0][2:4], "big") if packets else sender.next_seq
            found[number] = seq, sender.timestamp(media[0].at_s)
        return found

    @staticmethod
    def _check(part: _Part, track: Track) -> None:
        try:
            found = format_of(track, part.format.payload_type)
        except Undescribed:
            return
        said, is_video = part.format, track.is_video
        if _essence({is_video: found}) != _essence({is_video: said}):
            kind = "picture" if is_video else "sound"
            raise CodedOtherwise(f"the {kind} is coded otherwise now: {found.name}, and it was {said.name}")


def _formats(intake: Intake) -> dict[bool, Format]:
    """Of the picture and the sound, what can be described of them."""
    found: dict[bool, Format] = {}
    for track in _carried(intake):
        with contextlib.suppress(Undescribed):
            found[track.is_video] = format_of(track, _FIRST_DYNAMIC_TYPE + len(found))
    return found


def _essence(formats: dict[bool, Format]) -> dict[bool, Format]:
    """What may not change while it flows; a picture's parameters travel in it."""
    return {
        is_video: dataclasses.replace(found, parameters="") if is_video else found
        for is_video, found in formats.items()
    }


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
