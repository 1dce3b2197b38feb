from __future__ import annotations

from transport.rtsp.batch import Batch, Portion
from transport.rtsp.pacing import PacedSender

PORTS = ((0, (5000, 5001)),)


class Line:
    def __init__(self) -> None:
        self.now = 100.0
        self.rings = 0
        self.sent: list[tuple[int, bytes, bool]] = []
        self.paced = PacedSender(self._send, self._ring, clock=lambda: self.now)

    def _send(self, port: int, packet: bytes, is_rtcp: bool) -> bool:
        self.sent.append((port, packet, is_rtcp))
        return True

    def _ring(self) -> None:
        self.rings += 1


def unit(at_s: float, packets: int = 1) -> Portion:
    return Portion(0, at_s, [bytes(1412)] * packets)


def test_what_is_live_goes_out_at_once_to_its_port() -> None:
    line = Line()
    report = Portion(0, 5.0, [b"report"], is_rtcp=True)
    assert line.paced.put(Batch(1, report, unit(5.0), Portion(1, 5.0, [b"not wanted"])), PORTS) == 0
    assert line.sent == [(5001, b"report", True), (5000, bytes(1412), False)]
    assert (line.paced.packets_sent, line.paced.payload_bytes_sent, line.paced.bytes_sent) == (1, 1400, 1418)
    assert (line.paced.is_waiting, line.rings) == (False, 0)


def test_what_was_shown_before_goes_out_at_four_times_its_pace() -> None:
    line = Line()
    line.paced.put(Batch(1, *(unit(each / 10) for each in range(10))), PORTS)
    assert (len(line.sent), line.rings) == (1, 1)
    sent_at = []
    while line.paced.is_waiting:
        line.now += line.paced.wait_s()
        line.paced.pump()
        sent_at.append(round(line.now - 100, 3))
    assert sent_at == [round(each / 40, 3) for each in range(1, 10)]
    line.now += 1
    line.paced.put(Batch(2, unit(1.0)), PORTS)  # it has caught up
    assert (len(line.sent), line.paced.is_waiting, line.rings) == (11, False, 1)


def test_of_a_large_picture_no_more_goes_out_than_a_buffer_holds() -> None:
    line = Line()
    line.paced.put(Batch(1, unit(0.0, packets=100)), PORTS)
    first = len(line.sent)
    assert 48 * 1024 <= first * 1412 < 50 * 1024
    assert 0 < line.paced.wait_s() <= 0.002
    line.paced.pump()
    assert len(line.sent) == first
    line.now += 0.0021
    line.paced.pump()
    assert len(line.sent) == 2 * first


def test_what_waits_can_be_taken_back_and_a_goodbye_does_not_wait() -> None:
    line = Line()
    line.paced.put(Batch(1, unit(0.0), unit(10.0)), PORTS)
    line.paced.put(Batch(2, unit(20.0)), PORTS)
    assert line.paced.drop() == [1, 2]
    assert not line.paced.is_waiting
    line.paced.put(Batch(2, Portion(0, 1e6, [b"bye"], is_rtcp=True)), PORTS)
    assert line.sent[-1] == (5001, b"bye", True)
