"""What engagement costs a real server with a real audience: by a meter inside of it, and with and without."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtests.crowd.driver import Driver, crowd
from loadtests.peers.subject import Usage
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server

_KEY = "key-of-the-encoder"
_STREAMS = f'[streams.cam]\npublish_key = "{_KEY}"\npublic = true\n[engagement]\nenabled = '
#: Little, so that thousands of viewers fit on two cores; what engagement costs does not depend on it.
_LITTLE = Programme(size="160x90", fps=10, audio="", bitrate_kbps=100)
_JOINS_PER_S = 150.0
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Window:
    """Shares of one core.

    Attributes:
        server: all of it; most is media, and no two runs of that are the same.
        loop: of that its event loop, where all that is not media begins.
        metered: engagement, by its meter.
        crowd: the viewers.
    """

    server: float
    loop: float
    metered: float
    crowd: float


@dataclass(frozen=True, slots=True)
class ServerCost:
    """Windows of the same audience.

    Attributes:
        viewers: that watched, of the server without and with engagement.
        without: engagement switched off.
        watching: switched on, viewers whose players say nothing.
        reporting: and all of them our player, which reports as often as it is told to.
    """

    viewers: tuple[int, int]
    without: Window
    watching: Window
    reporting: Window


class _MeteredServer(Server):
    def __init__(self, enabled: bool) -> None:
        super().__init__(_STREAMS + str(enabled).lower())
        self.meter = self.folder / "metered"
        serve = ["serve", "--config", str(self.config_path)]
        self.command = [sys.executable, "-m", "loadtests.audience.metered", str(self.meter), *serve]


def measure(viewers: int, seconds: float) -> ServerCost:
    """Let so many watch a server without engagement, then one with it; each window is so long."""
    with _watched(viewers, enabled=False) as (server, driver):
        without, first = _window(server, driver, seconds), driver.moment().viewers
    with _watched(viewers, enabled=True) as (server, driver):
        watching, second = _window(server, driver, seconds), driver.moment().viewers
        driver.report()
        time.sleep(_SETTLE_S)
        reporting = _window(server, driver, seconds)
    return ServerCost((first, second), without, watching, reporting)


@contextmanager
def _watched(viewers: int, *, enabled: bool) -> Iterator[tuple[_MeteredServer, Driver]]:
    with _MeteredServer(enabled) as server:
        encoder = ffmpeg_srt(server.srt_port, f"#!::r=cam,m=publish,s={_KEY}", _LITTLE)
        with encoder, crowd(f"{server.url}/whep/cam", check_every=1000) as driver:
            server.wait_live("cam")
            driver.join(viewers, _JOINS_PER_S)
            wait_until(server.meter.exists, 10, "the meter")
            time.sleep(_SETTLE_S)
            yield server, driver
            # Thousands of goodbyes would take longer than the measurement.
            server.kill()


def _window(server: _MeteredServer, driver: Driver, seconds: float) -> Window:
    def now() -> tuple[float, ...]:
        moment, pid = driver.moment(), server.pid
        metered_s = float(server.meter.read_text())
        return moment.at, Usage.of(pid).cpu_s, cpu_s(pid, pid), metered_s, moment.cpu_s

    before = now()
    time.sleep(seconds)
    passed_s, *spent = (late - early for early, late in zip(before, now(), strict=True))
    return Window(*(each / passed_s for each in spent))


def cpu_s(pid: int, thread: int) -> float:
    """What one thread of a process has used so far; the first one's number is the process's."""
    text = Path(f"/proc/{pid}/task/{thread}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
