from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.demo import encoder_command, write_config
from streamer.config import load
from transport.srt import parse_srt_url, parse_stream_id


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_it_writes_is_an_ordinary_configuration(tmp_path: Path) -> None:
    path = write_config(tmp_path / "demo")
    config = load(path)
    stream = config.streams["demo"]
    assert stream.public
    assert stream.pbkeylen == 32
    assert config.state.dir == tmp_path / "demo" / "state"
    assert config.http.listen.startswith("127.0.0.1:")
    # Firefox pairs none of its candidates with a loopback one.
    assert config.webrtc.listen.startswith("0.0.0.0:")


def test_nobody_else_may_read_its_secrets(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_its_own_and_kept(tmp_path: Path) -> None:
    first, again = write_config(tmp_path / "a").read_text(), write_config(tmp_path / "a").read_text()
    other = write_config(tmp_path / "b")
    assert first == again
    passphrases = [load(path).streams["demo"].passphrase for path in (tmp_path / "a/streamer.toml", other)]
    assert passphrases[0] != passphrases[1]


@pytest.mark.parametrize("name", ['with "quotes"', "with space", "back\\slash"])
def test_folders_with_unusual_names(tmp_path: Path, name: str) -> None:
    path = write_config(tmp_path / name)
    assert load(path).state.dir == tmp_path / name / "state"


def test_the_encoder_is_let_in_with_what_it_says(tmp_path: Path) -> None:
    config = load(write_config(tmp_path))
    stream = config.streams["demo"]
    assert stream.publish_key is not None
    assert stream.passphrase is not None
    command = encoder_command(config)
    stream_id = parse_stream_id(command[command.index("-srt_streamid") + 1].encode())
    assert (stream_id.resource, stream_id.mode) == ("demo", "publish")
    assert stream_id.session_key == stream.publish_key.get_secret_value()
    assert command[command.index("-passphrase") + 1] == stream.passphrase.get_secret_value()
    # ffmpeg prints the address when it fails, so that holds no secret.
    target = parse_srt_url(command[-1])
    assert target.stream_id == ""
    assert target.options.passphrase is None
