from transport.plane.outgoing import SentPacket
from transport.plane.retransmission import Budget, Lookups, Repeats, RtxStream
from transport.rtp import header

PACKET = SentPacket(
    number=65536 + 7,
    payload_type=102,
    timestamp=9000,
    marker=True,
    extensions=header.serialize_extensions([(4, b"0")]),
    payload=b"picture",
    ssrc=1,
)


def test_an_rtx_packet_carries_the_old_number_and_counts_its_own() -> None:
    stream = RtxStream(2)
    first, second = (header.parse(stream.wrap(PACKET, 103)) for _ in range(2))
    assert first.payload == b"\x00\x07picture"
    assert (first.ssrc, first.payload_type, first.timestamp, first.marker) == (2, 103, 9000, True)
    assert first.extensions == ((4, b"0"),)
    assert first.seq < 1 << 15 and second.seq == first.seq + 1


def test_a_viewer_who_gets_little_may_have_200_kilobits_repeated() -> None:
    budget = Budget(1.0, now=0.0)
    assert sum(budget.allows(1000, 0.0) for _ in range(100)) == 25
    assert sum(budget.allows(1000, 0.5) for _ in range(100)) == 12
    assert sum(budget.allows(1000, 60.0) for _ in range(100)) == 25  # one second's worth is kept


def test_the_cap_follows_what_the_viewer_is_sent() -> None:
    budget = Budget(0.5, now=0.0)
    for tick in range(300):
        budget.sent(10_000, tick / 100)  # a megabyte a second
    allowed = 0
    for tick in range(300, 400):
        budget.sent(10_000, tick / 100)
        while budget.allows(1000, tick / 100):
            allowed += 1
    assert 450 <= allowed <= 1050
    allowed = 0
    for tick in range(400, 500):
        budget.sent(10_000, tick / 100)
        while budget.allows(1000, tick / 100):
            allowed += 1
    assert 450 <= allowed <= 550


def test_a_packet_is_not_repeated_while_its_repetition_may_be_under_way() -> None:
    repeats = Repeats()
    assert repeats.is_due(1, 5, rtt_s=0.1, now=1.0)
    assert not repeats.is_due(1, 5, rtt_s=0.1, now=1.049)
    assert repeats.is_due(1, 6, rtt_s=0.1, now=1.049)
    assert repeats.is_due(2, 5, rtt_s=0.1, now=1.049)
    assert repeats.is_due(1, 5, rtt_s=0.1, now=1.051)
    assert not repeats.is_due(1, 5, rtt_s=0.0, now=1.060)
    assert repeats.is_due(1, 5, rtt_s=0.0, now=1.062)


def test_lookups_come_back_with_time() -> None:
    lookups = Lookups(now=10.0)
    assert lookups.take(5000, 10.0) == 4096
    assert lookups.take(1, 10.0) == 0
    assert lookups.take(5000, 10.5) == 2048
    assert lookups.take(5000, 99.0) == 4096
