"""How an SRT connection behaves: one frozen set of options for listeners and callers."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What libsrt and the protocol allow in a passphrase, in UTF-8 bytes.
PASSPHRASE_BYTES = range(10, 80)

#: AES key lengths in bytes: AES-128, AES-192, AES-256.
KEY_LENGTHS = (16, 24, 32)

#: One SRT packet in an Ethernet frame: 1500 - 28 (IPv4 and UDP) - 16 (SRT).
MAX_PAYLOAD_BYTES = 1456

# A feed of 50 Mb/s in packets of 1316 bytes is 4750 packets a second. With a round trip of 250 ms a sender
# is advised 4 round trips of latency and needs up to 8 on a bad link: 2 s, plus half a round trip until the
# loss is noticed, is 10,100 packets; a quarter more for retransmissions and bursts, rounded up to 2**14.
# libsrt counts its buffer in slots of 1472 bytes and takes them from the heap only as they fill.
_RECEIVE_BUFFER_BYTES = 16_384 * 1472

# The flow window must exceed the receive buffer, or libsrt silently shrinks the buffer to it.
_FLOW_CONTROL_PACKETS = 25_600


@dataclass(frozen=True, slots=True)
class SrtOptions:
    """Options of a listener (inherited by everything it accepts) or of a caller.

    Encryption is always enforced: a peer without the passphrase, or with another one, is refused.

    Attributes:
        latency_ms: least time between a packet's sending and its delivery, in milliseconds; the connection
            uses the larger of both sides' values. Four round trips is a good choice.
        tlpktdrop: give up packets that are too late instead of stalling the stream.
        passphrase: 10 to 79 bytes, None for no encryption. Callers only: a listener asks `admit`.
        pbkeylen: AES key length in bytes: 16, 24 or 32. A caller asks for it and accepts no shorter one; a
            listener proposes it to its callers, and most encoders follow.
        receive_buffer_bytes: bound of what waits for `receive`, also of what waits to be sent.
        flow_control_packets: most packets in flight; larger than the receive buffer in packets.
        payload_bytes: most bytes per message sent; 1316 is seven MPEG-TS packets, 1456 the limit.
        connect_timeout_ms: of a caller, per address tried.
        peer_idle_timeout_ms: a peer that sends nothing at all, not even keep-alives, is gone after this;
            libsrt takes at least 5 s, however small the value.
        receive_timeout_ms: a peer that is there but sends no media makes `receive` fail after this.
        send_timeout_ms: how long `send` may wait for room in the send buffer.
        max_bandwidth_bps: bit rate ceiling of sending, retransmissions and headers included; None for none.

    Raises:
        ValueError: a value out of range; the message never holds the passphrase.
    """

    latency_ms: int = 120
    tlpktdrop: bool = True
    passphrase: str | None = field(default=None, repr=False)
    pbkeylen: int = 32
    receive_buffer_bytes: int = _RECEIVE_BUFFER_BYTES
    flow_control_packets: int = _FLOW_CONTROL_PACKETS
    payload_bytes: int = 1316
    connect_timeout_ms: int = 3000
    peer_idle_timeout_ms: int = 5000
    receive_timeout_ms: int = 10_000
    send_timeout_ms: int = 5000
    max_bandwidth_bps: int | None = None

    def __post_init__(self) -> None:
        check_encryption(self.passphrase, self.pbkeylen)
        _check("payload_bytes", self.payload_bytes, 1, MAX_PAYLOAD_BYTES)
        _check("latency_ms", self.latency_ms, 0, 60_000)
        _check("flow_control_packets", self.flow_control_packets, 32, 1 << 20)
        _check("receive_buffer_bytes", self.receive_buffer_bytes, 32 * 1500, (1 << 31) - 1)
        for name in ("connect_timeout_ms", "peer_idle_timeout_ms", "receive_timeout_ms", "send_timeout_ms"):
            _check(name, getattr(self, name), 1, 3_600_000)
        if self.max_bandwidth_bps is not None:
            _check("max_bandwidth_bps", self.max_bandwidth_bps, 8, 1 << 40)


def check_encryption(passphrase: str | None, pbkeylen: int) -> None:
    """Check a passphrase and a key length against the protocol's limits.

    Raises:
        ValueError: one of them is out of range; the message never holds the passphrase.
    """
    if passphrase is not None and len(passphrase.encode()) not in PASSPHRASE_BYTES:
        raise ValueError(
            f"passphrase: {len(passphrase.encode())} bytes, expected "
            f"{PASSPHRASE_BYTES.start} to {PASSPHRASE_BYTES.stop - 1}"
        )
    if pbkeylen not in KEY_LENGTHS:
        raise ValueError(f"pbkeylen: {pbkeylen}, expected 16, 24 or 32 (bytes)")


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: {value}, expected {low} to {high}")
