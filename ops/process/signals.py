"""What ends a server: SIGTERM or Ctrl-C drain it, another Ctrl-C meanwhile ends it at once.

Once a server drains, nothing but that second Ctrl-C stops it: `timeout` and some supervisors send SIGTERM
twice, and whoever hangs up asks for a configuration that will not be served any more.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Of one server, on the running event loop.

    Args:
        stop: asked once, to drain.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._draining = self._hung_up = False
        for number in _STOPPING:
            self._loop.add_signal_handler(number, self._drain)

    def on_hang_up(self, work: Callable[[], None]) -> None:
        """Do this on SIGHUP, until `close`; after it nothing."""
        self._hung_up = True
        self._loop.add_signal_handler(signal.SIGHUP, work)

    def close(self) -> None:
        """Let go of them; while the server drains they stay as said above, until the process has ended."""
        if self._hung_up:
            self._loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if not self._draining:
            for number in _STOPPING:
                self._loop.remove_signal_handler(number)

    def _drain(self) -> None:
        self._draining = True
        for number in _STOPPING:
            self._loop.remove_signal_handler(number)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # The kernel's own way: it also works while the event loop hangs, and no traceback tells of it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._stop()
