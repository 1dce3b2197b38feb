from __future__ import annotations

import base64

import pytest

from transport.rtsp.naming import Login, Named, base_of, find_track, parse_address, parse_authorization


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("rtsp://h:8554/cam", Named("cam")),
        ("rtsp://h/live/cam/", Named("cam")),
        ("/cam?token=a.b.c", Named("cam", "a.b.c")),
        ("rtsp://h/cam?token=T/trackID=0", Named("cam", "T")),  # ffmpeg
        ("rtsp://h/cam/trackID=0?token=T", Named("cam", "T")),  # GStreamer
        ("rtsp://h/cam/trackID=1", Named("cam")),
        ("rtsp://h/cam?key=a+b/c==/streamid=0", Named("cam", "a+b/c==")),
        ("rtsp://h/cam?user=x&pass=k%20l", Named("cam", "k l")),
        ("rtsp://h/a%20b", Named("a b")),
        ("rtsp://h", Named("")),
        ("rtsp://[::1]:8554/", Named("")),
        ("*", Named("*")),
        ("", Named("")),
        ("rtsp://h/cam?x#y?z", Named("cam")),
    ],
)
def test_addresses(uri: str, expected: Named) -> None:
    assert parse_address(uri) == expected


@pytest.mark.parametrize(
    ("uri", "controls", "expected"),
    [
        ("rtsp://h/cam/trackID=1", ["trackID=0", "trackID=1"], 1),
        ("rtsp://h/cam/trackID=1/", ["trackID=0", "trackID=1"], 1),
        ("rtsp://h/cam?key=k/streamid=1", ["streamid=0", "streamid=1"], 1),
        ("rtsp://h/cam/stream=1?key=k", ["stream=0", "stream=1"], 1),
        ("rtsp://h/cam/audio", ["rtsp://h/cam/video", "rtsp://h/cam/audio"], 1),
        ("rtsp://h/cam/trackID=11", ["trackID=1"], None),
        ("rtsp://h/cam", ["trackID=0"], None),
        ("rtsp://h/cam", [""], 0),
        ("rtsp://h/cam", ["", ""], None),
    ],
)
def test_tracks(uri: str, controls: list[str], expected: int | None) -> None:
    assert find_track(uri, controls) == expected


def test_tracks_are_resolved_against_the_address_without_its_secret() -> None:
    assert base_of("rtsp://h:8554/live/cam?token=T") == "rtsp://h:8554/live/cam/"
    assert base_of("rtsp://h/cam/trackID=0") == "rtsp://h/cam/"


def test_authorization() -> None:
    said = base64.b64encode(b"anna:a:b").decode()
    assert parse_authorization(f"Basic {said}") == Login("anna", "a:b")
    assert parse_authorization(f"  basic   {said} ") == Login("anna", "a:b")
    for wrong in ("", "Basic", "Basic !!", "Digest username=x", "Basic /w==", "Basic YQ==", "Basic Ä"):
        assert parse_authorization(wrong) is None
    assert "a:b" not in repr(Login("anna", "a:b"))
