from __future__ import annotations

from streamer.egress.hls.window import LISTED, WHOLE, Window
from streamer.hub.segmenter import Part


def filled(segments: int, *, parts: int = 2, breaks_at: int = -1) -> Window:
    window = Window()
    header = window.add_header(b"header")
    for number in range(segments):
        window.begin(header, 100.0 + number, breaks=number == breaks_at)
        for part in range(parts):
            window.add(Part(b"%d.%d " % (number, part), 0.5, part == 0))
    return window


def test_parts_can_be_had_before_their_segment() -> None:
    window = filled(2)
    assert window.segment(1) is None
    assert window.part(1, 1) == Part(b"1.1 ", 0.5, False)
    assert window.part(1, 2) is None
    segment = window.segment(0)
    assert segment is not None
    assert b"".join(part.data for part in segment.parts) == b"0.0 0.1 "


def test_what_a_playlist_would_name() -> None:
    window = filled(2)
    assert window.reaches(0, WHOLE)
    assert window.reaches(0, 7)  # the segment is over, and it had not so many
    assert window.reaches(1, 1)
    assert not window.reaches(1, 2)
    assert not window.reaches(1, WHOLE)
    assert not window.reaches(2, 0)
    window.end()
    assert window.reaches(9, 9)
    assert window.current is None


def test_who_read_the_playlist_before_still_finds_what_it_named() -> None:
    window = filled(40)
    assert [segment.number for segment in window.listed] == list(range(32, 39))
    assert window.segment(39 - 2 * LISTED) is not None
    assert window.segment(38 - 2 * LISTED) is None


def test_breaks_that_are_not_listed_any_more_are_counted() -> None:
    assert filled(LISTED + 3, breaks_at=3).breaks_gone == 0
    assert filled(LISTED + 5, breaks_at=3).breaks_gone == 1


def test_headers_go_with_the_last_segment_that_needs_them() -> None:
    window = filled(3)
    second = window.add_header(b"second")
    for number in range(40):
        window.begin(second, 200.0 + number, breaks=number == 0)
        window.add(Part(b"x", 0.5, True))
    assert window.header(1) is None
    assert window.header(second) == b"second"


def test_a_segment_without_parts_is_none() -> None:
    window = filled(1)
    window.begin(1, 101.0, breaks=True)
    window.begin(1, 102.0, breaks=False)
    window.add(Part(b"x", 0.5, True))
    assert window.current is not None
    assert (window.current.number, window.current.breaks) == (1, True)
