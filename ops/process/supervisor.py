"""What systemd is told: that the server is ready, that it stops, and that it is alive (sd_notify(3)).

Without `NOTIFY_SOCKET`, so anywhere else, nothing is said.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Supervisor:
    """Who started this process, if it wants to be told.

    Args:
        environ: of the process: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` and `WATCHDOG_PID` for signs of life.
        pid: of the process.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watched = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid() if pid is None else pid))
        microseconds = environ.get("WATCHDOG_USEC", "")
        self._patience_s = int(microseconds) / 1e6 if watched and microseconds.isdecimal() else 0.0

    def ready(self) -> None:
        """The server serves."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """It is on its way out."""
        self._tell("STOPPING=1")

    async def run(self) -> None:
        """Show signs of life as long as the event loop runs, twice as often as asked."""
        while self._address and self._patience_s:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._patience_s / 2)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(state.encode(), self._address)
        except OSError as error:
            _log.warning("cannot tell the supervisor %s: %s", state, error)
