"""Carries `SrtOptions` over to a libsrt socket."""

from __future__ import annotations

from transport.srt.abi import Option
from transport.srt.libsrt import Libsrt
from transport.srt.options import SrtOptions


def apply_options(library: Libsrt, socket: int, options: SrtOptions) -> None:
    """Set everything but the passphrase and the key length, before the socket is bound.

    Raises:
        SrtError: libsrt refuses a value.
    """
    values: list[tuple[Option, int]] = [
        (Option.ENFORCEDENCRYPTION, True),
        (Option.LATENCY, options.latency_ms),
        (Option.TLPKTDROP, options.tlpktdrop),
        # Before the buffer: libsrt cuts the buffer down to the flow window of the moment.
        (Option.FC, options.flow_control_packets),
        (Option.RCVBUF, options.receive_buffer_bytes),
        (Option.SNDBUF, options.receive_buffer_bytes),
        (Option.PAYLOADSIZE, options.payload_bytes),
        (Option.CONNTIMEO, options.connect_timeout_ms),
        (Option.PEERIDLETIMEO, options.peer_idle_timeout_ms),
        (Option.SNDTIMEO, options.send_timeout_ms),
    ]
    if options.max_bandwidth_bps is not None:
        values.append((Option.MAXBW, options.max_bandwidth_bps // 8))
    for option, value in values:
        library.set_option(socket, option, value)
