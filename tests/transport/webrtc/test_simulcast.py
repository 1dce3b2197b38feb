from __future__ import annotations

import re

import pytest

from tests.transport.webrtc.test_receiving import CHROMIUM, answered, sections
from transport.rtp.incoming import LayerIds
from transport.webrtc.simulcast import REPAIRED_RID_URI, RID_URI, accepted_layers, offered_layers

EXTENSIONS = f"a=extmap:10 {RID_URI}\r\na=extmap:11 {REPAIRED_RID_URI}\r\n"
LAYERS = "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n"


def offer(lines: str) -> str:
    """Chromium's with these lines in its picture's section, which is the last one."""
    without = re.sub(rf"a=extmap:\d+ ({re.escape(RID_URI)}|{re.escape(REPAIRED_RID_URI)})\r\n", "", CHROMIUM)
    return without + lines


def test_all_layers_are_taken() -> None:
    receiving = answered(offer(EXTENSIONS + LAYERS))
    assert receiving.tracks[0].layers == LayerIds(("q", "h", "f"), 10, 11)
    assert receiving.tracks[1].layers is None
    audio, video = sections(receiving.answer)
    assert re.findall(r"a=(rid|simulcast):(.*)\r", video) == [
        ("rid", "q recv"),
        ("rid", "h recv"),
        ("rid", "f recv"),
        ("simulcast", "recv q;h;f"),
    ]
    assert f"a=extmap:10 {RID_URI}\r\na=extmap:11 {REPAIRED_RID_URI}\r\n" in video
    assert "rid" not in audio and "simulcast" not in audio


@pytest.mark.parametrize("lines", [LAYERS, EXTENSIONS, EXTENSIONS + LAYERS.replace("send q;h;f", "send q")])
def test_one_picture_is_taken_where_layers_cannot_be_told_apart_or_are_not_several(lines: str) -> None:
    receiving = answered(offer(lines))
    assert receiving.tracks[0].layers is None
    assert "simulcast" not in receiving.answer and "a=rid" not in receiving.answer
    assert RID_URI not in receiving.answer


def rids(*names: str) -> list[tuple[str, str]]:
    return [("rid", f"{name} send pt=96") for name in names]


@pytest.mark.parametrize(
    ("simulcast", "layers"),
    [
        ("send a;b", ("a", "b")),
        ("recv x send a;b", ("a", "b")),
        ("send a;b recv x", ("a", "b")),
        ("send ~b;a,c", ("b", "a")),
        ("send a;a;b", ("a", "b")),
        ("send a;unknown;b", ("a", "b")),
        ("send a;b;c;d;e;f", ("a", "b", "c", "d")),
        ("send a;unknown", ()),
        ("send a", ()),
        ("recv a;b", ()),
        ("send", ()),
        ("", ()),
    ],
)
def test_layers_as_offered(simulcast: str, layers: tuple[str, ...]) -> None:
    assert offered_layers([*rids("a", "b", "c", "d", "e", "f"), ("simulcast", simulcast)]) == layers


def test_names_that_the_header_extension_cannot_carry_are_none() -> None:
    long, strange = "x" * 17, "a.b"
    attributes = [*rids("a", long, strange), ("simulcast", f"send a;{long};{strange}"), ("rid", "b recv")]
    assert offered_layers(attributes) == ()


def test_nothing_is_said_of_no_layers() -> None:
    assert list(accepted_layers(())) == []
