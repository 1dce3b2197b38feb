from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app

SECRET = "correct horse battery"


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture
def root() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def write(folder: Path, text: str) -> str:
    path = folder / "streamer.toml"
    path.write_text(text)
    return str(path)


def test_a_good_configuration(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["check-config", write(tmp_path, "[streams.cam]\n[streams.door]\n")])
    assert result.exit_code == 0
    assert "good, 2 stream(s)" in result.output


def test_every_finding_with_file_key_value_and_what_was_expected(runner: CliRunner, tmp_path: Path) -> None:
    text = f'[http]\nlistn = "x"\n[streams.cam]\npbkeylen = 15\npassphrase = "{SECRET * 9}"\n'
    path = write(tmp_path, text)
    result = runner.invoke(app, ["check-config", path])
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any("http.listn = 'x': unknown key; expected one of listen" in line for line in lines)
    assert any("streams.cam.pbkeylen = 15: " in line for line in lines)
    assert SECRET not in result.output


def test_a_file_that_is_not_there(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["check-config", str(tmp_path / "none.toml")])
    assert result.exit_code == 2
    assert "No such file" in result.stderr


def test_serving_a_bad_configuration_does_not_begin(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["serve", "--config", write(tmp_path, "[streams")])
    assert result.exit_code == 2
    assert "expected TOML" in result.stderr


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("section", "kind"),
    [("http", socket.SOCK_STREAM), ("srt", socket.SOCK_DGRAM), ("webrtc", socket.SOCK_DGRAM)],
)
def test_a_port_that_is_taken_is_said_in_one_line(
    runner: CliRunner, tmp_path: Path, section: str, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        ports = {"http": 0, "srt": 0, "webrtc": 0} | {section: port}
        text = "".join(f'[{name}]\nlisten = "127.0.0.1:{number}"\n' for name, number in ports.items())
        path = write(tmp_path, text + f'[state]\ndir = "{tmp_path / "state"}"\n')
        result = runner.invoke(app, ["serve", "--config", path])
    assert result.exit_code == 1
    said = result.stderr.splitlines()[-1]
    assert said.startswith(f"streamer: {section}.listen: ")
    assert f"port {port} on 127.0.0.1" in said
    assert said.endswith("in use by another program")
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("root")
def test_serve_says_which_database_of_places_it_cannot_use(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "places").write_text("no such database")
    config = f'[state]\ndir = "{tmp_path}"\n[engagement]\ngeoip = "{tmp_path / "places"}"\n'
    result = runner.invoke(app, ["serve", "--config", write(tmp_path, config)])
    assert result.exit_code == 1
    assert f"streamer: [engagement] geoip = '{tmp_path / 'places'}'" in result.stderr


@pytest.mark.usefixtures("root")
def test_a_database_that_cannot_be_used_ends_the_start(runner: CliRunner, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "streamer.db").write_bytes(b"something else entirely " * 100)
    result = runner.invoke(app, ["serve", "--config", write(tmp_path, f'[state]\ndir = "{state}"\n')])
    assert result.exit_code == 1
    assert f"streamer: database sqlite:///{state}/streamer.db: file is not a database" in result.stderr
    assert "Traceback" not in result.output


def test_no_arguments_show_the_commands(runner: CliRunner) -> None:
    result = runner.invoke(app, [])
    for command in ("serve", "check-config", "demo", "token", "user", "group", "grant", "audit", "keys"):
        assert command in result.output


def test_what_serve_would_refuse_is_found_without_serving(runner: CliRunner, tmp_path: Path) -> None:
    places = tmp_path / "places.mmdb"
    path = write(tmp_path, f'[engagement]\ngeoip = "{places}"\n[vault]\nkey_env = "NOT_SET_ANYWHERE"\n')
    result = runner.invoke(app, ["check-config", path])
    assert result.exit_code == 2
    vault, engagement = result.stderr.splitlines()
    assert vault.startswith(f"{path}: vault.key_env = 'NOT_SET_ANYWHERE': expected")
    assert engagement.startswith(f"{path}: engagement.geoip = '{places}': expected")


@pytest.mark.usefixtures("root")
def test_what_the_system_refuses_is_said_without_its_numbers(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "master.key").mkdir()
    result = runner.invoke(app, ["serve", "--config", write(tmp_path, f'[state]\ndir = "{tmp_path}"\n')])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == f"streamer: {tmp_path / 'master.key'}: Is a directory"
