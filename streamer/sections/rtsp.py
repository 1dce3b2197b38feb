"""`[rtsp]`: the listener for players, recorders and encoders that speak RTSP or RTSPS."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from streamer.sections.base import ListenAddress, Section, split_address
from transport.rtsp.udp import even_port

_LAST_PORT = 65535


class RtspConfig(Section):
    """Off unless an address is given, as RTSP is not encrypted. RTSPS takes the certificate of `[http]`.

    With `udp` packets travel over UDP for who asks for it in the clear, by the port of the same number, or
    the next where it is odd, and the one after that.
    """

    listen: ListenAddress | None = None
    udp: bool = True
    max_readers: int = Field(200, ge=0, le=10_000)

    @model_validator(mode="after")
    def _has_ports(self) -> Self:
        if self.listen is not None and self.udp and even_port(split_address(self.listen)[1]) >= _LAST_PORT:
            raise ValueError("two UDP ports beside listen are needed; expected a lower one, or udp = false")
        return self

    @property
    def udp_listens(self) -> tuple[str, ...]:
        """Where packets come over UDP, as addresses."""
        if self.listen is None or not self.udp:
            return ()
        host, _, _ = self.listen.rpartition(":")
        port = even_port(split_address(self.listen)[1])
        return (f"{host}:{port}", f"{host}:{port + 1}") if port else ()
