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
        ("rtsp://admin:12345/secret@10.0.0.5/s", "rtsp://***"),
        ("rtsp://admin:12#secret@10.0.0.5/s", "rtsp://***"),
        ("rtsp://admin:12?secret@10.0.0.5/s", "rtsp://***"),
        ("rtsp://admin:pa/ss-word@10.0.0.5/stream1", "rtsp://***"),
        ("rtsp://admin:12%2Fsecret@10.0.0.5/s", "rtsp://***@10.0.0.5/s"),
        ("rtsp://camera/live@2", "rtsp://camera/live@2"),
        ("rtsp://[fe80::1]/live@2", "rtsp://[fe80::1]/live@2"),
    ],
)
def test_what_is_secret_is_hidden(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@pytest.mark.parametrize("password", ["12/secret", "12?secret", "12#secret", "se/cret", "Sec#ret9"])
def test_a_password_that_hides_the_host_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(LinkError) as caught:
        check_url(f"rtsp://admin:{password}@10.0.0.5/s")
    assert caught.value.reason == "unsupported"
    assert "%2F" in str(caught.value) and password not in str(caught.value)


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
