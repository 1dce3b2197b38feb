"""Where the log goes: standard error, which must not hold up who logs.

Whoever reads it may stop doing so: a journal that hangs, a terminal after Ctrl-S, a full disk. A line that is
not taken within `PATIENCE_S` is lost, and so is what follows until something is taken again; then it is told
how much that was.
"""

from __future__ import annotations

import logging
import os
import select
import time
from typing import TextIO

#: What a reader that is only busy may take.
PATIENCE_S = 0.5


class StandardError(logging.StreamHandler[TextIO]):
    """Writes lines to standard error.

    Args:
        patience_s: for a reader, once; who lost a line waits no more until one is taken.

    Attributes:
        lost: entries since something was taken.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        super().__init__()
        self._patience_s = patience_s
        self.lost = 0
        # Part of a line was taken, and its rest was not.
        self._is_torn = False
        try:
            self._descriptor = self.stream.fileno()
        except (AttributeError, OSError, ValueError):  # there is none, or something that is no file
            self._descriptor = -1

    def emit(self, record: logging.LogRecord) -> None:
        """As of `logging.Handler`: one caller at a time."""
        if self._descriptor < 0:
            super().emit(record)
            return
        try:
            if self.lost and self._write("\n" * self._is_torn + self._line(self._loss(record))):
                self.lost = 0
            if self.lost or not self._write(self._line(record)):
                self.lost += 1
        except Exception:
            self.handleError(record)

    def _loss(self, record: logging.LogRecord) -> logging.LogRecord:
        text = "%d entries of the log are lost, nobody took them in time"
        return logging.LogRecord(__name__, logging.WARNING, record.pathname, 0, text, (self.lost,), None)

    def _line(self, record: logging.LogRecord) -> str:
        return self.format(record) + self.terminator

    def _write(self, text: str) -> bool:
        """Whether all of it was taken."""
        data = text.encode(errors="backslashreplace")
        until = time.monotonic() + (0.0 if self.lost else self._patience_s)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        left = data
        try:
            # A pipe with room has room for as much as this.
            while left and poll.poll(max(0.0, until - time.monotonic()) * 1000):
                left = left[os.write(self._descriptor, left[: select.PIPE_BUF]) :]
        except OSError:  # a full disk, or nobody is there any more
            pass
        self._is_torn = 0 < len(left) < len(data) or (self._is_torn and len(left) == len(data))
        return not left
