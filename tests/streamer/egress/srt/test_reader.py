from __future__ import annotations

from streamer.config import parse
from streamer.egress.srt.reader import SrtReader
from streamer.hub.stream import Stream


class Link:
    """A connection with room for so many messages."""

    id, peer_address, is_over = "one", ("192.0.2.1", 4000), False

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent: list[bytes] = []

    def send_now(self, message: bytes) -> bool:
        if len(self.sent) >= self.room:
            return False
        self.sent.append(message)
        return True


def test_a_full_link_is_sent_no_more_until_a_decoder_can_begin_again() -> None:
    link = Link(3)
    stream = Stream("cam", parse({"streams": {"cam": {}}}).streams["cam"])
    reader = SrtReader(stream, link)  # type: ignore[arg-type]
    reader.send([b"not"], starts_over=False)
    reader.send([b"key", b"frame"], starts_over=True)
    reader.send([b"one", b"two"], starts_over=False)
    assert link.sent == [b"key", b"frame", b"one"]
    link.room = 9
    reader.send([b"not"], starts_over=False)
    assert reader.skipped == 3
    reader.send([b"again"], starts_over=True)
    reader.send([b"three"], starts_over=False)
    assert link.sent == [b"key", b"frame", b"one", b"again", b"three"]
    assert reader.skipped == 3
