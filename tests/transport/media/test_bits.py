import random

import pytest

from transport.errors import WireError
from transport.media.bits import BitReader


def exp_golomb(value: int) -> str:
    code = bin(value + 1)[2:]
    return "0" * (len(code) - 1) + code


def pack(bits: str) -> bytes:
    padded = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return int(padded, 2).to_bytes(len(padded) // 8, "big")


def test_any_sequence_of_fields_reads_back() -> None:
    rng = random.Random(1)
    for _ in range(300):
        fields = []
        bits = ""
        for _ in range(rng.randrange(1, 40)):
            if rng.random() < 0.5:
                width = rng.randrange(1, 33)
                value = rng.getrandbits(width)
                bits += format(value, f"0{width}b")
            else:
                width = 0
                value = rng.getrandbits(rng.randrange(1, 32))
                bits += exp_golomb(value)
            fields.append((width, value))
        reader = BitReader(pack(bits))
        assert [(w, reader.u(w) if w else reader.ue()) for w, _ in fields] == fields
        assert reader.left < 8


@pytest.mark.parametrize(("code", "value"), [(0, 0), (1, 1), (2, -1), (3, 2), (4, -2), (9, 5)])
def test_signed_codes_alternate(code: int, value: int) -> None:
    assert BitReader(pack(exp_golomb(code))).se() == value


def test_nothing_is_read_past_the_end() -> None:
    reader = BitReader(b"\xff")
    with pytest.raises(WireError, match="early"):
        reader.u(9)
    with pytest.raises(WireError, match="early"):
        reader.skip(9)
    assert reader.u(8) == 0xFF
    with pytest.raises(WireError):
        reader.ue()


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00" * 8, b"\x00\x00\x00\x00\x40" + b"\xff" * 8, b"\x01"])
def test_exp_golomb_codes_that_are_too_long_or_cut_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        BitReader(data).ue()


def test_bytes_are_taken_off_their_boundary() -> None:
    reader = BitReader(b"\x0a\xbc\xd0")
    reader.skip(4)
    assert reader.take(2) == b"\xab\xcd"
    assert reader.left == 4


def test_a_fork_does_not_move_its_twin() -> None:
    reader = BitReader(b"\xf0\x0f")
    reader.skip(4)
    twin = reader.fork()
    assert reader.u(8) == twin.u(8) == 0
    assert twin.take_bits(3) == b"\xe0"
    assert reader.left == 4
