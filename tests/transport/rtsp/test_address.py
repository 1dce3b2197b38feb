from __future__ import annotations

import pytest

from transport.errors import LinkError
from transport.rtsp.address import check_url, redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.7/stream1", "rtsp://10.0.0.7/stream1"),
        ("rtsp://admin:secret@10.0.0.7:554/stream1", "rtsp://***@10.0.0.7:554/stream1"),
        ("rtsp://admin:se@cret@camera.local/", "rtsp://***@camera.local/"),
        ("rtsps://token@[fe80::1]:322/a", "rtsps://***@[fe80::1]:322/a"),
        ("rtsp://10.0.0.7/live?user=admin&password=secret", "rtsp://10.0.0.7/live?***"),
        ("rtsp://admin:secret@[broken/", "***"),
    ],
)
def test_what_is_secret_is_hidden(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize("url", ["rtsp://a", "rtsp://u:p@10.0.0.7:8554/x?y=1", "rtsps://[::1]/x"])
def test_addresses_of_cameras(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "camera",
        "file:///etc/passwd",
        "http://u:secret@a/",
        "rtsp:///x",
        "rtsp://a:b:secret/",
        "rtsp://a:0/",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(LinkError) as caught:
        check_url(url)
    assert caught.value.reason == "unsupported"
