from __future__ import annotations

import asyncio
import configparser
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.rig.server import Server
from ops.cli import app
from ops.process.supervisor import Supervisor

_UNIT = Path(__file__).parents[3] / "ops/deploy/systemd/streamer.service"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that a supervisor listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        yield sock


def told(systemd: socket.socket) -> str:
    return systemd.recv(100).decode()


def test_it_is_told_what_happens(systemd: socket.socket) -> None:
    supervisor = Supervisor({"NOTIFY_SOCKET": systemd.getsockname()})
    supervisor.ready()
    supervisor.stopping()
    assert [told(systemd), told(systemd)] == ["READY=1", "STOPPING=1"]


def test_an_abstract_name() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("")  # the kernel picks one
        sock.settimeout(10)
        Supervisor({"NOTIFY_SOCKET": "@" + sock.getsockname()[1:].decode()}).ready()
        assert told(sock) == "READY=1"


async def test_signs_of_life_come_twice_as_often_as_asked(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "7"}
    living = asyncio.create_task(Supervisor(environ, pid=7).run())
    for _ in range(3):
        assert await asyncio.to_thread(told, systemd) == "WATCHDOG=1"
    assert not living.done()
    living.cancel()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "20000"},
        {"NOTIFY_SOCKET": "/nowhere/at/all"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "8"},
        {"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "soon"},
    ],
    ids=["nobody", "no socket", "gone", "meant for another", "no number"],
)
async def test_without_one_that_listens_the_server_goes_on(environ: dict[str, str]) -> None:
    supervisor = Supervisor(environ, pid=7)
    supervisor.ready()
    await asyncio.wait_for(supervisor.run(), 10)
    supervisor.stopping()


def test_a_server_says_when_it_serves_and_when_it_stops(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    with Server("") as server:
        systemd.settimeout(60)
        assert {told(systemd), told(systemd)} == {"READY=1", "WATCHDOG=1"}
        status, _ = server.request("GET", "/readyz")
        assert status == 200
    assert told(systemd) == "STOPPING=1"


def test_the_unit_starts_what_there_is() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(_UNIT)
    service = unit["Service"]
    program, command, option, config = shlex.split(service["ExecStart"])
    assert Path(program).name == "streamer"
    said = CliRunner().invoke(app, [command, option, "/nowhere"])
    assert said.exit_code == int(service["RestartPreventExitStatus"]) == 2
    assert "/nowhere" in said.output
    assert service["Type"] == "notify" and int(service["WatchdogSec"]) > 1
    assert Path(config).is_absolute()
