"""On a fresh install nothing is published, watched or administered without a grant."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from loadtests.rig.server import Server
from transport.srt import ConnectError, SrtOptions, SrtTarget, connect
from transport.webrtc.candidates import interface_addresses

#: What may be asked by anybody. Whatever is added here is worth a second thought.
FOR_EVERYBODY = {
    ("GET", "/api/v1/live"),  # without any stream in it
    ("GET", "/api/v1/session"),  # that there is none
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/readyz"),
    ("POST", "/api/v1/login/passkey/options"),  # a random number to sign
    ("OPTIONS", "/whep/{stream}"),
    ("OPTIONS", "/whep/{stream}/{session}"),
    ("OPTIONS", "/whip/{stream}"),
    ("OPTIONS", "/whip/{stream}/{session}"),
}
WRONG = ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "session=wrong", "X-CSRF-Token": "wrong"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("[streams.cam]\n", fresh=True) as server:
        yield server


def asked(server: Server, method: str, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    sends = {
        "Content-Type": "application/sdp" if path.startswith(("/whep/", "/whip/")) else "application/json"
    }
    body = b"{}" if method in ("POST", "PATCH", "PUT") else None
    request = urllib.request.Request(server.url + path, method=method, headers=sends | headers, data=body)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if answer.headers.get_content_type().endswith(
                "json"
            ) else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def test_every_operation_asks_who_one_is(server: Server) -> None:
    _, document = asked(server, "GET", "/openapi.json", {})
    operations = [
        (method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    assert len(operations) > 50
    for method, path, described in operations:
        filled = re.sub(r"{\w+}", "cam", path)
        if (method, path) in FOR_EVERYBODY:
            assert asked(server, method, filled, {})[0] < 300, path
            continue
        for headers in WRONG:
            status, answer = asked(server, method, filled, headers)
            assert status >= 400, (method, path, headers)
            if described.get("security"):
                assert status == 401, (method, path, headers, answer)


def test_no_stream_is_shown(server: Server) -> None:
    assert asked(server, "GET", "/api/v1/live", {})[1]["streams"] == []


@pytest.mark.parametrize(
    ("stream_id", "code"),
    [
        ("publish:cam", 1403),
        ("publish:cam:", 1403),
        ("publish:cam:any-key", 1403),
        ("#!::r=cam,m=publish", 1403),
        ("#!::r=cam,m=request", 1401),
        ("", 1400),
    ],
)
def test_nothing_is_published_over_srt(server: Server, stream_id: str, code: int) -> None:
    target = SrtTarget("caller", "127.0.0.1", server.srt_port, stream_id, options=SrtOptions())
    with pytest.raises(ConnectError) as caught:
        connect(target)
    assert caught.value.reject_code == code


def test_the_first_administrator_is_told_how_to_begin(server: Server) -> None:
    (token,) = re.findall(r"/setup#(\S+)", server.output)
    assert len(token) >= 40
    assert not list((server.folder / "state").glob("*.token"))


def test_of_every_address_the_link_names_one_that_can_be_opened() -> None:
    address = interface_addresses("0.0.0.0")[0]
    with Server("[streams.cam]\n", host=address, fresh=True) as server:
        (link,) = re.findall(r"(http\S+)#", server.output)
        assert link == f"http://{address}:{server.http_port}/setup"
        with urllib.request.urlopen(link, timeout=20) as answer:
            assert answer.status == 200
