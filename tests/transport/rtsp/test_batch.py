from __future__ import annotations

from transport.rtsp.batch import Batch, Portion

PICTURE = Portion(0, 1.0, [bytes(12) + b"one", bytes(12) + b"two!"])
SOUND = Portion(1, 1.0, [bytes(12) + b"three"])
REPORT = Portion(0, 1.0, [b"report"], is_rtcp=True)


def test_it_is_framed_for_the_channels_of_a_client() -> None:
    framed = Batch(7, REPORT, PICTURE, SOUND).framed(((0, (2, 3)), (1, (8, 9))))
    assert framed.data == b"".join(
        (
            b"$\x03\x00\x06report",
            b"$\x02\x00\x0f" + PICTURE.packets[0],
            b"$\x02\x00\x10" + PICTURE.packets[1],
            b"$\x08\x00\x11" + SOUND.packets[0],
        )
    )
    assert (framed.number, framed.units, framed.packets, framed.payload_bytes) == (7, 2, 3, 3 + 4 + 5)


def test_tracks_that_were_not_set_up_are_left_out() -> None:
    framed = Batch(1, REPORT, PICTURE, SOUND).framed(((1, (0, 1)),))
    assert framed.data == b"$\x00\x00\x11" + SOUND.packets[0]
    assert (framed.units, framed.packets, framed.payload_bytes) == (1, 1, 5)


def test_those_with_the_same_channels_share_it() -> None:
    batch = Batch(1, PICTURE, SOUND)
    both, one = ((0, (0, 1)), (1, (2, 3))), ((0, (0, 1)),)
    assert batch.framed(both).data is batch.framed(both).data
    assert batch.framed(one).data is not batch.framed(both).data
    assert batch.size_bytes == 15 + 16 + 17
