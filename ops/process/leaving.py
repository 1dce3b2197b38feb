"""The end of the process, when threads are left that nobody can wake.

A library that waits for a silent camera, or for a name to be found, asks Python from within whether to go on
waiting. After an interpreter has been taken down that is fatal; so it is left standing while it may be asked.
"""

from __future__ import annotations

import logging
import os
import sys
import threading


def leave(code: int) -> None:
    """End the process at once if a thread would outlive the interpreter; else return, and it ends by itself.

    Args:
        code: to exit with.
    """
    left = [thread for thread in threading.enumerate() if thread.daemon and thread.is_alive()]
    if not left:
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
