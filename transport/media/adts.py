"""AAC in ADTS frames (ISO/IEC 14496-3 section 1.A.2); `aac.py` parses their headers."""

from __future__ import annotations

from transport.media import aac
from transport.media.audioframe import AudioHeader, UnsupportedAudio
from transport.media.program_config import ProgramConfig, begins_with_program, read_element


class AdtsReader:
    """Reads ADTS frames; remembers the channels, which may stand in some of the frames only."""

    sync = b"\xff"

    def __init__(self) -> None:
        self._program: ProgramConfig | None = None

    def parse(self, data: bytes, position: int) -> AudioHeader | None:
        """Parse the header at `position`; None when not all of it is there.

        Raises:
            WireError: no ADTS header.
            UnsupportedAudio: several raw blocks in a frame.
        """
        if len(data) - position < aac.ADTS_HEADER_BYTES:
            return None
        return aac.parse_adts(data, position)

    def unpack(self, header: AudioHeader, frame: bytes) -> tuple[AudioHeader, bytes]:
        """Take the raw frame out.

        Raises:
            WireError: its program config element is broken.
            UnsupportedAudio: nothing has said yet which channels there are.
        """
        payload = frame[header.header_bytes :]
        if header.channels:
            return header, payload
        if begins_with_program(payload):
            self._program = read_element(payload)
        program = self._program
        if program is None:
            raise UnsupportedAudio("AAC that does not say which channels it has")
        config = program.behind(int.from_bytes(header.config, "big"), 8 * len(header.config))
        return header._replace(channels=program.channels, config=config), payload
