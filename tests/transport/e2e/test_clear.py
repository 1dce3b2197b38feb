from __future__ import annotations

import random

import pytest

from tests.transport.e2e.frames import SETS, START, annexb, escaped, slice_nal
from transport.e2e.clear import escape, split, unescape, without_sei
from transport.errors import WireError
from transport.media import Codec
from transport.media.annexb import split_annexb

H264_SETS, H265_SETS = annexb(*SETS[Codec.H264]), annexb(*SETS[Codec.H265])
CAPTIONS = b"\x06\x04\x03\xb5\x00\x31\x80"
RECOVERY = b"\x06\x06\x01\xc4\x80"


class TestSplit:
    @pytest.mark.parametrize(
        ("codec", "clear", "bound", "rest"),
        [
            (Codec.OPUS, b"\xfc", b"\xfc", b"sound"),
            (Codec.OPUS, b"\xfc", b"\xfc", b""),
            (Codec.H264, START + b"\x41\x9a\x00", b"\x41\x9a\x00", b"\x17slice"),
            (Codec.H264, b"\0\0\1\x41\x9a\x21", b"\x41\x9a\x21", b"slice" + START + b"\x41\x9a\x22more"),
            (Codec.H264, H264_SETS + START + b"\x65\x88\x84", b"\x65\x88\x84", b"slice"),
            (Codec.H265, START + b"\x02\x01\xd0\x09", b"\x02\x01\xd0\x09", b"slice"),
            (Codec.H265, H265_SETS + START + b"\x26\x01\xaf\x06", b"\x26\x01\xaf\x06", b"slice"),
        ],
    )
    def test_where(self, codec: Codec, clear: bytes, bound: bytes, rest: bytes) -> None:
        parts = split(codec, clear + rest)
        assert (parts.clear, parts.bound, parts.rest) == (clear, bound, rest)

    @pytest.mark.parametrize(
        ("codec", "data", "why"),
        [
            (Codec.OPUS, b"", "empty"),
            (Codec.H264, b"", "without a slice"),
            (Codec.H264, H264_SETS, "without a slice"),
            (Codec.H264, START, "without a slice"),
            (Codec.H264, b"no start code", "without a slice"),
            (Codec.H264, START + b"\x41\x9a", "less than 3 bytes"),
            (Codec.H265, H265_SETS, "without a slice"),
            (Codec.H265, START + b"\x02\x01\xd0", "less than 4 bytes"),
            (Codec.H265, b"\0\0\1\x02\0\0\1\x02\x01\xd0\x09", "less than 4 bytes"),
            (Codec.AAC, b"sound", "cannot be sealed"),
        ],
    )
    def test_nothing_to_divide(self, codec: Codec, data: bytes, why: str) -> None:
        with pytest.raises(WireError, match=why):
            split(codec, data)


class TestMessages:
    def test_captions_do_not_stay_readable(self) -> None:
        sets, slice_head = SETS[Codec.H264], b"\x65\x88\x84"
        clear = annexb(*sets, CAPTIONS, RECOVERY, slice_head)
        assert without_sei(Codec.H264, clear) == annexb(*sets, RECOVERY, slice_head)

    def test_a_recovery_point_with_something_behind_it_is_not_kept(self) -> None:
        both = RECOVERY[:-1] + CAPTIONS[1:]
        assert without_sei(Codec.H264, annexb(both, b"\x65\x88\x84")) == annexb(b"\x65\x88\x84")

    def test_h265(self) -> None:
        prefix, suffix = b"\x4e\x01" + CAPTIONS[1:], b"\x50\x01" + CAPTIONS[1:]
        clear = annexb(*SETS[Codec.H265], prefix, suffix, b"\x4e\x01" + RECOVERY[1:], b"\x26\x01\xaf\x06")
        assert without_sei(Codec.H265, clear) == annexb(
            *SETS[Codec.H265], b"\x4e\x01" + RECOVERY[1:], b"\x26\x01\xaf\x06"
        )

    @pytest.mark.parametrize("codes", [(3, 3, 3), (4, 3, 4), (3, 4, 3), (4, 4, 3), (3, 3, 4)])
    def test_start_codes_of_three_bytes(self, codes: tuple[int, int, int]) -> None:
        pps, caption, head = (
            START[4 - size :] + nal
            for size, nal in zip(codes, (b"\x68\xce", CAPTIONS, b"\x65\x88"), strict=True)
        )
        assert split_annexb(without_sei(Codec.H264, pps + caption + head)) == split_annexb(pps + head)

    def test_sound_has_none(self) -> None:
        assert without_sei(Codec.OPUS, b"\x06") == b"\x06"


class TestEscape:
    @pytest.mark.parametrize(
        ("before", "rest", "expected"),
        [
            (b"\x41\x9a\x21", b"\0\0\1", b"\0\0\3\1"),
            (b"\x41\x9a\x21", b"\0\0\0\0\0\1", b"\0\0\3\0\0\3\0\1"),
            (b"\x41\x9a\x21", b"\0\0\3", b"\0\0\3\3"),
            (b"\x41\x9a\x21", b"\0\0\4", b"\0\0\4"),
            (b"\x41\x9a\0", b"\0\1x", b"\0\3\1x"),
            (b"\x41\0\0", b"\1x", b"\3\1x"),
            (b"\x41\0\0", b"\4x", b"\4x"),
        ],
    )
    def test_known(self, before: bytes, rest: bytes, expected: bytes) -> None:
        assert escape(before, rest) == expected
        assert unescape(before, expected) == rest

    def test_as_the_standard_says_and_back(self) -> None:
        for seed in range(2000):
            chance = random.Random(seed)
            before = bytes((0x41, *(chance.choice((0, 0, 1, 0x9A)) for _ in range(2))))
            rest = (
                bytes(chance.choice((0, 0, 0, 1, 2, 3, 4, 255)) for _ in range(chance.randrange(60))) + b"\1"
            )
            made = escape(before, rest)
            assert before + made == escaped(before + rest)
            assert unescape(before, made) == rest

    def test_slices_of_the_tests_are_well_formed(self) -> None:
        nal = slice_nal(Codec.H264, random.Random(1), size=3000)
        assert not any(bytes((0, 0, last)) in nal for last in (0, 1, 2))
