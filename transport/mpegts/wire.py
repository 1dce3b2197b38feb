"""MPEG-2 transport stream, parse only: adaptation fields, tables, PES headers (ISO/IEC 13818-1).

Pure functions over bytes; section numbers are of ISO/IEC 13818-1. `sections.py` puts tables together from
packets, `pes.py` does it for PES packets, `demux.py` owns both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from transport.errors import WireError
from transport.media import Codec

PACKET_BYTES: Final = 188
SYNC_BYTE: Final = 0x47
PAT_PID: Final = 0
PAT_TABLE: Final = 0
PMT_TABLE: Final = 2

_REGISTRATION, _LANGUAGE = 0x05, 0x0A
_DVB_TELETEXT, _DVB_SUBTITLES, _DVB_AC3, _DVB_EAC3, _DVB_EXTENSION = 0x56, 0x59, 0x6A, 0x7A, 0x7F
_OPUS_EXTENSION = 0x80
_PRIVATE_DATA = 0x06

_CODECS = {
    0x01: Codec.MPEG2,
    0x02: Codec.MPEG2,
    0x03: Codec.MP2,
    0x04: Codec.MP2,
    0x0F: Codec.AAC,
    0x11: Codec.AAC,
    0x1B: Codec.H264,
    0x24: Codec.H265,
    0x81: Codec.AC3,
    0x87: Codec.EAC3,
}
_REGISTERED = {b"AC-3": Codec.AC3, b"EAC3": Codec.EAC3, b"Opus": Codec.OPUS, b"HEVC": Codec.H265}
_LATM = 0x11
_NAMES = {
    0x05: "private sections",
    0x06: "private data",
    0x10: "MPEG-4 part 2 video",
    0x15: "timed metadata",
    0x1C: "raw MPEG-4 audio",
    0x21: "JPEG 2000 video",
    0x33: "H.266 video",
    0x86: "SCTE-35 cues",
    0xEA: "VC-1 video",
}


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """One entry of a program map (2.4.4.8).

    Attributes:
        codec: None when this server does not carry it.
        latm: AAC in LOAS/LATM rather than ADTS.
        channels: as the descriptors say, 0 when they do not.
        name: for people.
    """

    pid: int
    stream_type: int
    codec: Codec | None
    latm: bool = False
    channels: int = 0
    language: str = ""
    name: str = ""


class PesHeader(NamedTuple):
    """What matters of a PES header (2.4.3.6).

    Attributes:
        payload_at: offset of the first payload byte.
        pts: 33 bits of 90 kHz, None when absent.
        dts: as pts; None when absent, which means the same as pts.
    """

    payload_at: int
    pts: int | None
    dts: int | None


def parse_adaptation(data: bytes, start: int) -> tuple[int, bool, bool]:
    """Read the adaptation field of the packet at `start` (2.4.3.4).

    Returns:
        Offset of the payload within the packet; whether there are stuffing bytes, which only have to be
        where a payload ends; the discontinuity indicator.

    Raises:
        WireError: longer than the packet.
    """
    length = data[start + 4]
    if length == 0:
        # A lone length byte carries nothing: it is there to make the payload one byte shorter.
        return 5, True, False
    if length > 183:
        raise WireError(f"mpegts: adaptation field of {length} bytes")
    flags = data[start + 5]
    needed = 1
    if flags & 0x1F:
        needed += 6 * (flags >> 4 & 1) + 6 * (flags >> 3 & 1) + (flags >> 2 & 1)
        for bit in (2, 1):
            if flags & bit:
                needed += 1 + (data[start + 5 + needed] if needed < length else 0)
        if needed > length:
            raise WireError("mpegts: adaptation field shorter than its flags")
    # One byte of flags without a flag is how two bytes of stuffing look.
    return 5 + length, needed < length or (length == 1 and flags == 0), flags & 0x80 != 0


def parse_pes(data: bytes) -> PesHeader:
    """Parse a PES header.

    Raises:
        WireError: not a header, or truncated.
    """
    if len(data) < 9 or data[:3] != b"\x00\x00\x01" or data[6] & 0xC0 != 0x80:
        raise WireError("mpegts: no PES header where one should be")
    payload_at = 9 + data[8]
    stamps = data[7] >> 6
    if payload_at > len(data) or data[8] < (0, 0, 5, 10)[stamps]:
        raise WireError("mpegts: PES header shorter than its flags")
    pts = _parse_stamp(data, 9) if stamps & 2 else None
    return PesHeader(payload_at, pts, _parse_stamp(data, 14) if stamps == 3 else None)


def parse_pat(section: bytes) -> tuple[tuple[int, int], ...]:
    """Parse a program association section (2.4.4.3) into (program number, PMT PID), network PID left out."""
    return tuple(
        (number, int.from_bytes(section[at + 2 : at + 4], "big") & 0x1FFF)
        for at in range(8, len(section) - 7, 4)
        if (number := int.from_bytes(section[at : at + 2], "big"))
    )


def parse_pmt(section: bytes) -> tuple[ElementaryStream, ...]:
    """Parse a program map section (2.4.4.8), CRC already checked.

    Raises:
        WireError: lengths that do not fit.
    """
    if len(section) < 16:
        raise WireError(f"mpegts: program map of {len(section)} bytes")
    end = len(section) - 4
    at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
    streams = []
    while at < end:
        if at + 5 > end:
            raise WireError("mpegts: program map ends inside an entry")
        pid = int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
        info = int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF
        if at + 5 + info > end:
            raise WireError("mpegts: descriptors longer than the program map")
        streams.append(_describe(pid, section[at], section[at + 5 : at + 5 + info]))
        at += 5 + info
    return tuple(streams)


def crc32(data: bytes) -> int:
    """CRC of annex A; 0 over a whole section, its CRC included, when intact."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc


def _crc_entry(index: int) -> int:
    value = index << 24
    for _ in range(8):
        value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_CRC_TABLE = tuple(_crc_entry(index) for index in range(256))


def _parse_stamp(data: bytes, at: int) -> int:
    return (
        (data[at] >> 1 & 7) << 30
        | data[at + 1] << 22
        | (data[at + 2] >> 1) << 15
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def _describe(pid: int, stream_type: int, info: bytes) -> ElementaryStream:
    codec = _CODECS.get(stream_type)
    name = _NAMES.get(stream_type, f"stream type {stream_type:#04x}")
    language, registration, channels = "", b"", 0
    at = 0
    while at + 2 <= len(info):
        tag, body = info[at], info[at + 2 : at + 2 + info[at + 1]]
        if len(body) < info[at + 1]:
            raise WireError("mpegts: descriptor longer than its loop")
        at += 2 + len(body)
        if tag == _REGISTRATION:
            registration = body[:4]
        elif tag == _LANGUAGE and len(body) >= 3 and body[:3].isalpha() and body[:3].isascii():
            language = body[:3].decode("ascii").lower()
        elif stream_type == _PRIVATE_DATA:
            if tag == _DVB_AC3:
                codec = Codec.AC3
            elif tag == _DVB_EAC3:
                codec = Codec.EAC3
            elif tag == _DVB_SUBTITLES:
                name = "DVB subtitles"
            elif tag == _DVB_TELETEXT:
                name = "teletext"
            elif tag == _DVB_EXTENSION and len(body) >= 2 and body[0] == _OPUS_EXTENSION:
                channels = _opus_channels(body[1])
    if stream_type == _PRIVATE_DATA:
        codec = _REGISTERED.get(registration, codec)
    if codec is not Codec.OPUS:
        channels = 0
    return ElementaryStream(pid, stream_type, codec, stream_type == _LATM, channels, language, name)


def _opus_channels(code: int) -> int:
    """channel_config_code of the Opus descriptor (ETSI TS 103 491 section 3.2); 0 is dual mono."""
    return 2 if code == 0 else code if code <= 8 else 0
