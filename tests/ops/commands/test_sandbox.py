"""`streamer sandbox` as an operator starts it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from ops.cli import app
from tests.fakes.wait import wait_until
from tests.rigs.sandbox import sandbox_process


def test_it_says_where_it_is_and_what_to_configure(tmp_path: Path) -> None:
    with sandbox_process(tmp_path) as process:
        seen = process.control("GET", "")
        assert seen["addresses"]["rtmps"] == process.addresses.rtmps
        assert process.ca_file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
        log = tmp_path / "sandbox.log"
        wait_until(lambda: "SSL_CERT_FILE" in log.read_text(), "its greeting")
        lines = log.read_text().partition("[platforms.youtube]")
        configuration = tomllib.loads("[platforms.youtube]" + lines[2].partition("\nRTMPS")[0])
        for name in ("youtube", "facebook", "twitch"):
            platform = configuration["platforms"][name]
            assert platform["base_url"] == f"{process.addresses.http}/{name}"
            assert platform["client_id"]
        assert configuration["streams"]["NAME"]["relays"][0]["url"] == f"{process.addresses.rtmp}/live"
        assert process.control("POST", "/clock", {"seconds": 5})["ahead_s"] == 5


def test_an_address_that_cannot_be_had() -> None:
    result = CliRunner().invoke(app, ["sandbox", "--http", "nowhere"])
    assert (result.exit_code, "expected host:port" in result.stderr) == (1, True)
