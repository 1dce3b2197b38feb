"""AAC in LOAS/LATM (ISO/IEC 14496-3 sections 1.7.2 and 1.7.3), the sound of many DVB services.

Carried: one program, one layer, one AAC frame in each LOAS frame, which is what encoders send. The result is
the raw AAC frame and its AudioSpecificConfig, as with ADTS.
"""

from __future__ import annotations

from dataclasses import dataclass

from transport.errors import WireError
from transport.media.aac import AudioSpecificConfig, read_config
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.bits import BitReader

_LOAS_HEADER_BYTES = 3


@dataclass(frozen=True, slots=True)
class _MuxConfig:
    """StreamMuxConfig as far as frames need it."""

    audio: AudioSpecificConfig
    config: bytes


class LatmReader:
    """Reads LOAS frames; remembers the configuration, which comes only in some of them."""

    sync = b"\x56"

    def __init__(self) -> None:
        self._mux: _MuxConfig | None = None

    def parse(self, data: bytes, position: int) -> AudioHeader | None:
        """Parse the LOAS header at `position`; None when fewer than its three bytes are there.

        Raises:
            WireError: no LOAS frame begins there.
        """
        if len(data) - position < _LOAS_HEADER_BYTES:
            return None
        if data[position] != 0x56 or data[position + 1] & 0xE0 != 0xE0:
            raise WireError("loas: no sync word here")
        length = (data[position + 1] & 0x1F) << 8 | data[position + 2]
        if length == 0:
            raise WireError("loas: empty frame")
        return AudioHeader(_LOAS_HEADER_BYTES + length, _LOAS_HEADER_BYTES, 0, 0, 0)

    def unpack(self, header: AudioHeader, frame: bytes) -> tuple[AudioHeader, bytes] | None:
        """Take the AAC frame out of a LOAS frame; None before the first configuration.

        Raises:
            WireError: broken inside.
            UnsupportedAudio: several programs, layers or frames, or not AAC.
        """
        bits = BitReader(frame[header.header_bytes :])
        if not bits.flag():
            self._mux = _read_mux_config(bits)
        mux = self._mux
        if mux is None:
            return None
        size = 0
        while (more := bits.u(8)) == 255:
            size += 255
        payload = bits.take(size + more)
        if not payload:
            raise WireError("latm: empty AAC frame")
        audio = mux.audio
        return (
            AudioHeader(len(payload), 0, audio.samples, audio.sample_rate, audio.channels, mux.config),
            payload,
        )


def _read_mux_config(bits: BitReader) -> _MuxConfig:
    """Read StreamMuxConfig (table 1.42)."""
    version = bits.u(1)
    if version and bits.flag():
        raise UnsupportedAudio("AAC in LATM version 1A")
    if version:
        _read_value(bits)  # taraBufferFullness
    bits.skip(1)
    if bits.u(6) or bits.u(4) or bits.u(3):
        raise UnsupportedAudio("AAC in LATM with several frames, programs or layers")
    declared = _read_value(bits) if version else 0
    before = bits.left
    # The configuration is not byte aligned here; it is read twice, once for meaning and once as it is.
    copy = bits.fork()
    audio = read_config(bits)
    used = before - bits.left
    if declared > used:
        bits.skip(declared - used)
        used = declared
    config = copy.take_bits(used)
    frame_length_type = bits.u(3)
    if frame_length_type != 0:
        raise UnsupportedAudio(f"AAC in LATM with frame length type {frame_length_type}")
    bits.skip(8)  # latmBufferFullness
    # Other data and their size do not matter: they follow the payload.
    if bits.flag():
        if version:
            _read_value(bits)
        else:
            _skip_other_data_size(bits)
    if bits.flag():
        bits.skip(8)
    return _MuxConfig(audio, config)


def _read_value(bits: BitReader) -> int:
    """LatmGetValue."""
    return bits.u(8 * (bits.u(2) + 1))


def _skip_other_data_size(bits: BitReader) -> None:
    """Pass over version 0's size: bytes, with a flag before each that says whether more follow."""
    while bits.flag():
        bits.skip(8)
    bits.skip(8)
