import random

from transport.media.annexb import join_annexb, split_annexb, unescape


def test_start_codes_of_both_lengths_and_trailing_zeros() -> None:
    data = b"\x00\x00\x00\x01\x67\x01\x00\x00\x01\x68\x02\x00\x00\x00\x00\x01\x65\x03\x00\x00"
    assert split_annexb(data) == [b"\x67\x01", b"\x68\x02", b"\x65\x03"]


def test_garbage_before_the_first_start_code_and_empty_units_are_left_out() -> None:
    assert split_annexb(b"\xff\xfe\x00\x00\x01\x00\x00\x01\x41\x9a") == [b"\x41\x9a"]
    assert split_annexb(b"\x41\x9a") == []
    assert split_annexb(b"") == []
    assert split_annexb(b"\x00\x00\x01") == []


def test_what_is_joined_splits_again() -> None:
    rng = random.Random(2)
    for _ in range(200):
        nals = [
            bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 60))) for _ in range(rng.randrange(6))
        ]
        assert split_annexb(join_annexb(nals)) == nals


def test_emulation_prevention_is_removed() -> None:
    assert unescape(b"\x67\x00\x00\x03\x01\x00\x00\x03\x00\x00\x03") == b"\x67\x00\x00\x01\x00\x00\x00\x00"
