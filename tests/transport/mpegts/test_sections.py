from tests.transport.mpegts import muxer
from transport.mpegts.sections import SectionAssembler

MANY = [(0x0F, 0x200 + index, b"\x0a\x04deu\x00") for index in range(40)]


def push(assembler: SectionAssembler, data: bytes) -> list[bytes]:
    return [section for at in range(0, len(data), 188) for section in assembler.push(data, at, payload_at=4)]


def test_a_section_over_several_packets() -> None:
    table = muxer.pmt(*MANY)
    assert len(table) > 2 * 184
    assert push(SectionAssembler(2), muxer.Muxer().table(0x1000, table)) == [table]


def test_repeats_are_not_news_and_changes_are() -> None:
    mux, assembler = muxer.Muxer(), SectionAssembler(2)
    first, second = muxer.pmt(*MANY[:2]), muxer.pmt(*MANY[:3], version=1)
    assert push(assembler, mux.table(0x1000, first)) == [first]
    assert push(assembler, mux.table(0x1000, first) * 3) == []
    assert push(assembler, mux.table(0x1000, second)) == [second]
    assert push(assembler, mux.table(0x1000, first)) == [first]


def test_a_corrupt_section_is_counted_and_the_next_good_one_taken() -> None:
    mux, assembler = muxer.Muxer(), SectionAssembler(2)
    table = muxer.pmt(*MANY[:2])
    corrupt = bytearray(mux.table(0x1000, table))
    corrupt[20] ^= 1
    assert push(assembler, bytes(corrupt)) == []
    assert assembler.crc_errors == 1
    assert push(assembler, mux.table(0x1000, table)) == [table]


def test_a_section_with_a_packet_missing_is_dropped() -> None:
    mux, assembler = muxer.Muxer(), SectionAssembler(2)
    table = muxer.pmt(*MANY)
    data = mux.table(0x1000, table)
    assert push(assembler, data[:188] + data[2 * 188 :]) == []
    assert push(assembler, mux.table(0x1000, table)) == [table]


def test_sections_that_share_a_packet() -> None:
    first, second = muxer.pmt(*MANY[:1]), muxer.pmt(*MANY[:2], program=2)
    data = (b"\x00" + first + second).ljust(184, b"\xff")
    assert push(SectionAssembler(2), muxer.packet(0x1000, 0, data, begins=True)) == [first, second]


def test_a_section_that_begins_behind_the_end_of_another() -> None:
    first, second = muxer.pmt(*MANY[:20]), muxer.pmt(*MANY[:2], program=2)
    head = b"\x00" + first[:183]
    rest = first[183:]
    tail = (bytes([len(rest)]) + rest + second).ljust(184, b"\xff")
    data = muxer.packet(0x1000, 4, head, begins=True) + muxer.packet(0x1000, 5, tail, begins=True)
    assert push(SectionAssembler(2), data) == [first, second]


def test_tables_of_another_kind_or_not_yet_in_force_are_passed_over() -> None:
    later = bytearray(muxer.pmt(*MANY[:2]))
    later[5] &= 0xFE
    later[-4:] = muxer.crc32(bytes(later[:-4])).to_bytes(4, "big")
    assembler = SectionAssembler(2)
    assert push(assembler, muxer.Muxer().table(0x1000, bytes(later))) == []
    assert push(assembler, muxer.Muxer().table(0x1000, muxer.pat((1, 2)))) == []
    assert (assembler.crc_errors, assembler.malformed) == (0, 0)


def test_lengths_that_cannot_be_are_counted() -> None:
    assembler = SectionAssembler(2)
    for payload in (
        b"\xff" * 184,
        (b"\x00\x02\xbf\xff").ljust(184, b"\x00"),
        b"\x00\x02\xb0\x03".ljust(184, b"\xff"),
    ):
        assert assembler.push(muxer.packet(0x1000, 0, payload, begins=True), 0, 4) == []
    assert assembler.malformed == 3
