from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.rig.process import Process

COMMAND = [sys.executable, "-m", "ops"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "streamer.toml"
    path.write_text(f'[http]\nlisten = "127.0.0.1:0"\n[state]\ndir = "{tmp_path}"\n[streams.cam]\n')
    return path


def test_exit_codes_and_output_are_those_of_the_command(path: Path) -> None:
    with Process([*COMMAND, "check-config", str(path)]) as good:
        assert good.wait(60) == 0
        assert "good, 1 stream(s)" in good.output
    with Process([*COMMAND, "check-config", str(path.with_name("none"))]) as bad:
        assert bad.wait(60) == 2
        assert "No such file" in bad.output


def test_the_environment_is_its_own(path: Path) -> None:
    command = [*COMMAND, "check-config", str(path)]
    with Process(command, {"STREAMER_HTTP__LISTEN": "nowhere"}) as told, Process(command) as untold:
        assert (told.wait(60), untold.wait(60)) == (2, 0)
        assert "nowhere" in told.output


def test_one_that_stays_is_signalled_and_waited_for(path: Path) -> None:
    with Process([*COMMAND, "serve", "--config", str(path)]) as server:
        parent = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[1]
        assert parent == Path("/proc/self/stat").read_text().split()[0]
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(0.01)
        server.signal(signal.SIGKILL)
        assert server.wait(60) == -signal.SIGKILL
        assert not server.running


def test_what_is_not_prepared_begins_as_ever() -> None:
    nothing = subprocess.DEVNULL
    process = Process.begin([sys.executable, "-c", ""], stdout=nothing, stderr=nothing, env=None)
    assert isinstance(process, subprocess.Popen)
    assert process.wait(60) == 0
