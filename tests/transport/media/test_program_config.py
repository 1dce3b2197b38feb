from __future__ import annotations

import pytest

from tests.transport.media.test_adts import CONFIG, ELEMENT
from transport.media.aac import parse_config, serialize_adts
from transport.media.bits import BitReader
from transport.media.program_config import begins_with_program, read_element, read_program


def test_what_a_frame_says_and_what_a_configuration_says_are_the_same() -> None:
    config = parse_config(CONFIG)
    assert config.program is not None
    assert (config.channels, config.samples, config.program.comment) == (4, 1024, b"Lavc59.37.100")
    assert config.program == read_element(ELEMENT)
    assert config.program.element == ELEMENT
    assert config.program.behind(0x1180, 16) == CONFIG


@pytest.mark.parametrize("offset", range(8))
def test_alignment_counts_from_where_the_configuration_begins(offset: int) -> None:
    shifted = int.from_bytes(CONFIG, "big") << (8 - offset)
    bits = BitReader(shifted.to_bytes(len(CONFIG) + 1, "big"))
    bits.skip(offset)
    start = bits.left
    bits.skip(16)
    assert read_program(bits, start) == read_element(ELEMENT)
    assert bits.left == 8 - offset


def test_what_mixes_down_and_couples_is_passed_over() -> None:
    # 5.1: centre, two pairs and the LFE; one data stream, one coupling channel, all three mixes.
    fields = "0000" + "01" + "0011" + "0010" + "0000" + "0001" + "01" + "001" + "0001"
    fields += "1" + "0011" + "1" + "0100" + "1" + "101"
    fields += "0" + "0000" + "1" + "0000" + "1" + "0001" + "0000" + "0000" + "0" + "0000"
    bits = "101" + fields
    bits += "0" * (-len(bits) % 8) + "00000000"
    program = read_element(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    assert (program.channels, program.size, program.comment) == (6, len(fields), b"")


def test_adts_says_that_an_element_follows() -> None:
    header = serialize_adts(parse_config(CONFIG), 300)
    assert ((header[2] & 1) << 2 | header[3] >> 6) == 0
    assert begins_with_program(ELEMENT)
    assert not begins_with_program(b"\x21\x10")
    assert not begins_with_program(b"")
