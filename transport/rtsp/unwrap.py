"""From RTP payloads of sound to its frames: the inverse of `transport/rtp/sound.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from transport.errors import WireError
from transport.media import Codec, mpegaudio
from transport.media.bits import BitReader

_MPA_HEADER_BYTES = 4
_AC3_HEADER_BYTES = 2
_GOES_ON = 3
#: No frame of sound is longer.
_MAX_FRAME_BYTES = 16 * 1024
_MAX_HEADERS = 64


class Unwrapper(Protocol):
    """Takes payloads in order."""

    def push(self, payload: bytes, *, marker: bool, is_broken: bool) -> list[bytes]:
        """Frames that are whole now; of several the first has the packet's time.

        Args:
            payload: of one packet.
            marker: of its header.
            is_broken: packets before it are missing.

        Raises:
            WireError: what the format does not allow.
            UnsupportedAudio: frames of a variant that is not carried.
        """
        ...


def unwrapper(codec: Codec, parameters: Mapping[str, str]) -> Unwrapper:
    """What takes a codec's payloads apart.

    Args:
        codec: of sound.
        parameters: of `a=fmtp`.

    Raises:
        WireError: parameters that make no sense.
    """
    if codec is Codec.AAC:
        return _Aac(parameters)
    if codec in (Codec.MP2, Codec.MP3):
        return _MpegAudio()
    return _Ac3() if codec is Codec.AC3 else _Plain()


class _Plain:
    """The payload is the frame, or samples."""

    def push(self, payload: bytes, *, marker: bool, is_broken: bool) -> list[bytes]:
        return [payload] if payload else []


class _Aac:
    """RFC 3640 section 3.2, with headers of a size and a number."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        names = ("sizelength", "indexlength", "indexdeltalength")
        said = [parameters.get(name, "0") for name in names]
        if not all(each.isascii() and each.isdigit() and len(each) < 3 for each in said):
            raise WireError("aac: lengths of headers that are no numbers")
        self._size_bits, self._index_bits, self._delta_bits = map(int, said)
        if not 1 <= self._size_bits <= 16 or max(self._index_bits, self._delta_bits) > 16:
            raise WireError("aac: only the modes AAC-hbr and AAC-lbr are taken")
        self._fragment = bytearray()
        self._whole_bytes = 0

    def push(self, payload: bytes, *, marker: bool, is_broken: bool) -> list[bytes]:
        header_bits = int.from_bytes(payload[:2], "big")
        begin = 2 + (header_bits + 7) // 8
        if len(payload) < begin:
            raise WireError(f"aac: {header_bits} bits of headers in {len(payload)} bytes")
        sizes = self._sizes(BitReader(payload[2:begin]), header_bits)
        data = payload[begin:]
        if len(sizes) == 1 and sizes[0] > len(data):
            return self._join(data, sizes[0], is_broken=is_broken)
        self._fragment.clear()
        frames = []
        for size in sizes:
            frames.append(data[:size])
            data = data[size:]
            if len(frames[-1]) < size:
                raise WireError(f"aac: a frame of {size} bytes goes beyond the end")
        return [frame for frame in frames if frame]

    def _join(self, part: bytes, whole_bytes: int, *, is_broken: bool) -> list[bytes]:
        if is_broken or whole_bytes != self._whole_bytes:
            self._fragment.clear()
        self._whole_bytes = whole_bytes
        self._fragment += part
        if len(self._fragment) < whole_bytes:
            return []
        frame = bytes(self._fragment[:whole_bytes])
        self._fragment.clear()
        return [frame]

    def _sizes(self, bits: BitReader, header_bits: int) -> list[int]:
        sizes: list[int] = []
        while header_bits > 0 and len(sizes) < _MAX_HEADERS:
            index_bits = self._delta_bits if sizes else self._index_bits
            header_bits -= self._size_bits + index_bits
            if header_bits < 0:
                raise WireError("aac: a header that ends too early")
            sizes.append(bits.u(self._size_bits))
            bits.skip(index_bits)
        return sizes


class _MpegAudio:
    """RFC 2250 section 3.5."""

    def __init__(self) -> None:
        self._frame = bytearray()

    def push(self, payload: bytes, *, marker: bool, is_broken: bool) -> list[bytes]:
        if len(payload) <= _MPA_HEADER_BYTES:
            raise WireError(f"mpeg audio: a payload of {len(payload)} bytes")
        at, data = int.from_bytes(payload[2:4], "big"), payload[_MPA_HEADER_BYTES:]
        if not at:
            self._frame[:] = data
        elif is_broken or at != len(self._frame) or at + len(data) > _MAX_FRAME_BYTES:
            self._frame.clear()
            return []
        else:
            self._frame += data
        if len(self._frame) < mpegaudio.HEADER_BYTES:
            return []
        if len(self._frame) < mpegaudio.parse_header(bytes(self._frame[:4]), 0).frame_bytes:
            return []
        frames = bytes(self._frame)
        self._frame.clear()
        return [frames]


class _Ac3:
    """RFC 4184 section 4.1."""

    def __init__(self) -> None:
        self._frame = bytearray()

    def push(self, payload: bytes, *, marker: bool, is_broken: bool) -> list[bytes]:
        if len(payload) <= _AC3_HEADER_BYTES:
            raise WireError(f"ac3: a payload of {len(payload)} bytes")
        kind, data = payload[0] & 3, payload[_AC3_HEADER_BYTES:]
        if not kind:
            return [data]
        if kind == _GOES_ON and (is_broken or not self._frame or len(self._frame) > _MAX_FRAME_BYTES):
            self._frame.clear()
            return []
        if kind != _GOES_ON:
            self._frame.clear()
        self._frame += data
        if not marker:
            return []
        frame = bytes(self._frame)
        self._frame.clear()
        return [frame]
