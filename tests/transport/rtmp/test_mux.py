from __future__ import annotations

from dataclasses import replace

from tests.fakes.media import h264_unit
from transport.rtmp import flv
from transport.rtmp.mux import TagMemory
from transport.rtmp.wire import MessageType


def test_a_unit_is_muxed_once() -> None:
    memory = TagMemory()
    unit = h264_unit(0, keyframe=True, size=100_000)
    tag = memory.tag(unit)
    assert memory.tag(unit) is tag
    assert tag.kind is MessageType.VIDEO
    assert tag.body == flv.tag_body(unit)
    assert b"".join(tag.pieces[::2]) == tag.body


def test_an_equal_unit_is_another_one() -> None:
    memory = TagMemory()
    unit = h264_unit(0, keyframe=False)
    assert memory.tag(unit) is not memory.tag(replace(unit))


def test_only_the_last_units_are_kept() -> None:
    memory = TagMemory()
    first = h264_unit(0, keyframe=False, size=10)
    tag = memory.tag(first)
    for number in range(300):
        memory.tag(h264_unit(number, keyframe=False, size=10))
    assert memory.tag(first) is not tag
