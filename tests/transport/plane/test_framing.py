import random

import pytest

from transport.errors import WireError
from transport.plane.framing import MAX_FRAME_BYTES, Framer, frame


def test_datagrams_come_out_however_the_network_cuts_the_stream() -> None:
    rng = random.Random(1)
    datagrams = [rng.randbytes(rng.randrange(1, 1500)) for _ in range(200)]
    stream = b"".join(map(frame, datagrams))
    framer = Framer()
    received = []
    at = 0
    while at < len(stream):
        size = int(2 ** rng.uniform(0, 13))
        received += framer.feed(stream[at : at + size])
        at += size
    assert received == datagrams


@pytest.mark.parametrize("size", [0, MAX_FRAME_BYTES + 1, 65535])
def test_frames_that_no_viewer_sends_are_refused(size: int) -> None:
    with pytest.raises(WireError):
        Framer().feed(size.to_bytes(2, "big"))
