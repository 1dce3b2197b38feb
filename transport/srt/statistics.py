"""What we show of libsrt's counters."""

from __future__ import annotations

from dataclasses import dataclass

from transport.srt.abi import TraceStats

#: SRT_KM_STATE, as the API spells it.
KEY_STATES = ("unsecured", "securing", "secured", "nosecret", "badsecret")


@dataclass(frozen=True, slots=True)
class SrtStatistics:
    """One connection at one moment; counters only grow.

    A live connection carries media one way. What can happen at either end (loss, retransmission, drops,
    buffers) is counted here for the way that media flows.

    Attributes:
        rtt_ms: smoothed round trip.
        bandwidth_bps: libsrt's estimate of the link's capacity.
        receive_bps: over about the last second, all headers included.
        send_bps: as above.
        packets_received: data packets, retransmissions included.
        packets_sent: as above.
        packets_lost: missing when they were due in sequence; most come again.
        packets_retransmitted: came, or were sent, a second time.
        packets_dropped: given up because too late; what the viewer sees as damage.
        packets_undecrypted: could not be decrypted.
        buffer_ms: time span of what waits in the buffer.
        buffer_bytes: size of it.
        buffer_packets: number of packets in it.
        latency_ms: negotiated, of what we receive.
        peer_latency_ms: negotiated, of what we send.
        cipher: "AES-128", "AES-192", "AES-256" or "none".
        key_state: "secured", "unsecured" (no encryption), "securing", "nosecret" or "badsecret".
    """

    rtt_ms: float
    bandwidth_bps: int
    receive_bps: int
    send_bps: int
    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_retransmitted: int
    packets_dropped: int
    packets_undecrypted: int
    buffer_ms: int
    buffer_bytes: int
    buffer_packets: int
    latency_ms: int
    peer_latency_ms: int
    cipher: str
    key_state: str


def summarize(
    trace: TraceStats, *, receive_bps: int, send_bps: int, key_state: int, key_bytes: int
) -> SrtStatistics:
    """Translate libsrt's counters.

    Args:
        trace: as `srt_bistats` filled it, never cleared before.
        receive_bps: measured by the caller, since libsrt's own rates are averages over the whole life.
        send_bps: as above.
        key_state: SRTO_KMSTATE.
        key_bytes: SRTO_PBKEYLEN.
    """
    state = KEY_STATES[key_state] if 0 <= key_state < len(KEY_STATES) else f"state {key_state}"
    return SrtStatistics(
        rtt_ms=trace.msRTT,
        bandwidth_bps=int(trace.mbpsBandwidth * 1e6),
        receive_bps=receive_bps,
        send_bps=send_bps,
        packets_received=trace.pktRecvTotal,
        packets_sent=trace.pktSentTotal,
        packets_lost=trace.pktRcvLossTotal + trace.pktSndLossTotal,
        packets_retransmitted=trace.pktRcvRetrans + trace.pktRetransTotal,
        packets_dropped=trace.pktRcvDropTotal + trace.pktSndDropTotal,
        packets_undecrypted=trace.pktRcvUndecryptTotal,
        buffer_ms=trace.msRcvBuf + trace.msSndBuf,
        buffer_bytes=trace.byteRcvBuf + trace.byteSndBuf,
        buffer_packets=trace.pktRcvBuf + trace.pktSndBuf,
        latency_ms=trace.msRcvTsbPdDelay,
        peer_latency_ms=trace.msSndTsbPdDelay,
        cipher="none" if state == "unsecured" or not key_bytes else f"AES-{key_bytes * 8}",
        key_state=state,
    )
