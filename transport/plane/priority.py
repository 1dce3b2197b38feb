"""A plane's threads run before what else the machine does.

Media that waits for an encoder of renditions or for a backup is late for every viewer. Not before everything:
who asks the server for something gets his part of a machine that sends with all it has.
"""

from __future__ import annotations

import functools
import logging
import os
import threading

_log = logging.getLogger(__name__)

#: Nine times the weight of others: who watches goes before who wants to.
NICE = -10


def raise_priority() -> None:
    """Raise the calling thread's priority to `NICE`, where the process may; where not, say so once."""
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    except OSError as error:  # no right, or a sandbox or system that knows of no such thing
        _tell(error.strerror)


@functools.cache
def _tell(why: str | None) -> None:
    _log.info("media is sent at the priority of everything else: nice %d: %s (LimitNICE)", NICE, why)
